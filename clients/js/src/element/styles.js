// The styles of <live-chat>. A constructed sheet needs no permission in the content security policy of the page.

export const styles = /* css */ `
:host {
  --background: var(--live-chat-background, #fff);
  --text: var(--live-chat-text, #1d1d24);
  --muted: var(--live-chat-muted, #5d5d6b);
  --border: var(--live-chat-border, #d6d6df);
  --accent: var(--live-chat-accent, #3b4fc4);
  --on-accent: var(--live-chat-on-accent, #fff);
  --danger: var(--live-chat-danger, #b3261e);
  display: flex;
  flex-direction: column;
  box-sizing: border-box;
  min-width: 15rem;
  height: 30rem;
  overflow: hidden;
  border: 1px solid var(--border);
  border-radius: var(--live-chat-radius, 0.5rem);
  background: var(--background);
  color: var(--text);
  font: var(--live-chat-font, 1rem/1.4 system-ui, sans-serif);
  color-scheme: light;
}
:host([hidden]) { display: none; }
@media (prefers-color-scheme: dark) {
  :host(:not([theme='light'])) {
    --background: var(--live-chat-background, #17171d);
    --text: var(--live-chat-text, #ececf2);
    --muted: var(--live-chat-muted, #a9a9b8);
    --border: var(--live-chat-border, #3c3c48);
    --accent: var(--live-chat-accent, #aab6ff);
    --on-accent: var(--live-chat-on-accent, #10131f);
    --danger: var(--live-chat-danger, #ffb4ab);
    color-scheme: dark;
  }
}
:host([theme='dark']) {
  --background: var(--live-chat-background, #17171d);
  --text: var(--live-chat-text, #ececf2);
  --muted: var(--live-chat-muted, #a9a9b8);
  --border: var(--live-chat-border, #3c3c48);
  --accent: var(--live-chat-accent, #aab6ff);
  --on-accent: var(--live-chat-on-accent, #10131f);
  --danger: var(--live-chat-danger, #ffb4ab);
  color-scheme: dark;
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
header { display: flex; flex-wrap: wrap; gap: 0 0.5rem; justify-content: space-between; padding: 0.5rem 0.75rem; border-bottom: 1px solid var(--border); }
h2 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
.muted { color: var(--muted); font-size: 0.8125rem; }
.status { margin: 0; padding: 0.25rem 0.75rem; border-bottom: 1px solid var(--border); }
.status:empty { display: none; }
.log { flex: 1; overflow-y: auto; padding: 0.5rem 0.75rem; overscroll-behavior: contain; }
ol { margin: 0; padding: 0; list-style: none; }
li { padding: 0.25rem 0; }
.name { font-weight: 600; }
.text { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.quote { margin: 0; padding-left: 0.5rem; border-left: 2px solid var(--border); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.pending .text { opacity: 0.7; }
.failed .note { color: var(--danger); }
.actions { display: flex; flex-wrap: wrap; gap: 0.25rem; }
.typing { min-height: 1.25rem; margin: 0; padding: 0 0.75rem; }
dialog { width: 20rem; max-width: calc(100vw - 1rem); padding: 0; border: 1px solid var(--border); border-radius: var(--live-chat-radius, 0.5rem); background: var(--background); color: inherit; }
dialog::backdrop { background: rgb(0 0 0 / 0.5); }
h3 { flex: 1 0 100%; margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
ul { flex: 1 0 100%; margin: 0; padding: 0; list-style: none; }
li.wide { display: flex; justify-content: space-between; gap: 0.5rem; overflow-wrap: anywhere; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem; padding: 0.5rem 0.75rem; border-top: 1px solid var(--border); }
form > .wide { flex: 1 0 100%; min-width: 0; display: flex; justify-content: space-between; align-items: center; gap: 0.5rem; }
form > .wide:empty { display: none; }
label > span { flex: 1; min-width: 0; }
input[type='checkbox'] { flex: none; }
input[type='number'] { flex: 0 0 5rem; }
textarea, input, select { flex: 1 1 8rem; min-width: 0; padding: 0.375rem 0.5rem; border: 1px solid var(--muted); border-radius: 0.375rem; background: transparent; color: inherit; font: inherit; resize: none; }
::placeholder { color: var(--muted); opacity: 1; }
button { min-height: 1.75rem; padding: 0.125rem 0.5rem; border: 1px solid var(--border); border-radius: 0.375rem; background: transparent; color: inherit; font: inherit; font-size: 0.8125rem; cursor: pointer; }
button.primary { border-color: var(--accent); background: var(--accent); color: var(--on-accent); font-size: 1rem; }
button[aria-pressed='true'] { border-color: var(--accent); }
button:disabled { opacity: 0.6; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;
