// Writing on the chat page: input methods, as for Chinese, Japanese and Korean, and the limits of texts.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { useChat } from './support/chat_fixture.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

const chats = useChat();

const enter = async (options) => (await chats.enterNewRoom(options)).chat;

/** Simulates an input method in the focused field. */
async function inputMethod({ page }) {
  const session = await page.context().newCDPSession(page);
  const press = async (key, code) => {
    const names = { key, code: key, windowsVirtualKeyCode: code };
    await session.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', ...names });
    await session.send('Input.dispatchKeyEvent', { type: 'keyUp', ...names });
  };
  return {
    compose: (text) => session.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length }),
    // Keys that the input method handles:
    enter: () => press('Enter', 13),
    escape: () => press('Escape', 27),
    up: () => press('ArrowUp', 38),
    commit: (text) => session.send('Input.insertText', { text }),
  };
}

/** Presses a key as Safari does after a composition: with key code 229, but without `isComposing`. */
const pressLikeSafari = (field, key) =>
  field.evaluate((field, key) => {
    const event = new KeyboardEvent('keydown', { key, keyCode: 229, bubbles: true, cancelable: true });
    field.dispatchEvent(event);
    return event.defaultPrevented;
  }, key);

const messageField = ({ page }) => page.getByLabel('Message', { exact: true });
const editor = ({ page }) => page.getByLabel('Edit your message');
const assertNothingSent = async (chat) => assert.equal(await chat.page.locator('.row').count(), 0, 'nothing was sent');

test('Enter in an input method does not send', async () => {
  const chat = await enter();
  const ime = await inputMethod(chat);
  await messageField(chat).focus();
  await ime.compose('にほんご');
  await ime.enter();
  await assertNothingSent(chat);
  await ime.commit('日本語');
  assert.equal(await pressLikeSafari(messageField(chat), 'Enter'), false);
  await assertNothingSent(chat);
  assert.equal(await messageField(chat).inputValue(), '日本語');
  await chat.page.keyboard.press('Enter');
  await chat.waitForTexts('日本語');
  await chat.close();
});

test('an arrow key in an input method does not start editing', async () => {
  const chat = await enter();
  await chat.send('before');
  await messageField(chat).focus();
  assert.equal(await pressLikeSafari(messageField(chat), 'ArrowUp'), false);
  assert.equal(await editor(chat).count(), 0);
  await chat.close();
});

test('Enter and Escape in an input method neither save nor close the editor', async () => {
  const chat = await enter();
  await chat.send('before');
  await chat.choose('before', 'Edit');
  const ime = await inputMethod(chat);
  await chat.waitForFocus('Edit your message');
  await ime.compose('あ');
  await ime.escape();
  assert.equal(await editor(chat).count(), 1, 'the editor is still open after Escape');
  await ime.compose('あと');
  await ime.enter();
  assert.equal(await editor(chat).count(), 1, 'the editor is still open after Enter');
  await ime.commit('後');
  for (const key of ['Escape', 'Enter']) {
    assert.equal(await pressLikeSafari(editor(chat), key), false, key);
    assert.equal(await editor(chat).count(), 1, `the editor is still open after Safari’s ${key}`);
  }
  const text = await editor(chat).inputValue();
  await chat.page.keyboard.press('Enter');
  await chat.waitForTexts(text);
  await chat.choose(text, 'Edit');
  await chat.waitForFocus('Edit your message');
  await chat.page.keyboard.press('Escape');
  // Outside an input method, Escape closes it.
  await editor(chat).waitFor({ state: 'detached' });
  await chat.close();
});

test('Escape in an input method does not close the list of people', async () => {
  const chat = await enter({ viewport: { width: 700, height: 700 } });
  await chat.page.getByRole('button', { name: 'here now' }).click();
  const people = chat.page.getByRole('complementary', { name: 'People' });
  await people.waitFor();
  await pressLikeSafari(people, 'Escape');
  await people.evaluate((list) => list.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', isComposing: true, bubbles: true })));
  assert.equal(await people.count(), 1);
  await chat.page.keyboard.press('Escape');
  await people.waitFor({ state: 'hidden' });
  await chat.close();
});

test('Enter in an input method does not leave the name field', async () => {
  const chat = await enter();
  const ime = await inputMethod(chat);
  const name = chat.page.getByLabel('Your name');
  await name.fill('');
  await name.focus();
  await ime.compose('えいだ');
  await ime.enter();
  const isFocused = () => name.evaluate((field) => field === document.activeElement);
  assert.ok(await isFocused());
  await ime.commit('エイダ');
  await pressLikeSafari(name, 'Enter');
  assert.ok(await isFocused());
  await chat.page.keyboard.press('Enter');
  // The field goes when the server knows the name.
  await chat.waitForFocus('Message');
  await chat.send('hello');
  await chat.page.getByText('You are エイダ').waitFor();
  await chat.close();
});

test('a text that is too long is kept, with the excess as the server counts it', async () => {
  const chat = await enter();
  const status = chat.page.locator('#too-long');
  // Each has two UTF-16 units, but counts as one character for the server.
  await messageField(chat).fill('🦀'.repeat(4_000));
  assert.equal(await status.textContent(), '');
  await messageField(chat).fill(`${'🦀'.repeat(4_000)}ab`);
  assert.equal(await status.textContent(), '2 characters too many: a message has at most 4,000.');
  await messageField(chat).press('Enter');
  await until(async () => (await chat.page.locator('#announcer').textContent()).startsWith('Not sent. 2 characters too many'));
  assert.equal(await chat.page.locator('.row').count(), 0);
  assert.equal(await messageField(chat).getAttribute('aria-invalid'), 'true');
  await messageField(chat).press('Backspace');
  assert.equal(await status.textContent(), '1 character too many: a message has at most 4,000.');
  await messageField(chat).press('Backspace');
  assert.equal(await status.textContent(), '');
  await messageField(chat).press('Enter');
  await chat.waitForTexts('🦀'.repeat(4_000));

  await chat.choose('🦀', 'Edit');
  await editor(chat).fill('x'.repeat(5_000));
  await chat.page.getByText('1,000 characters too many').waitFor();
  await chat.page.getByRole('button', { name: 'Save' }).click();
  assert.equal(await editor(chat).inputValue(), 'x'.repeat(5_000), 'the text is kept');
  await editor(chat).fill('x'.repeat(4_000));
  await chat.page.getByRole('button', { name: 'Save' }).click();
  await chat.waitForTexts('x'.repeat(4_000));
  await chat.close();
});

test('the excess depends on the settings of the server', async () => {
  const server = await startServer({ TEXT_MAX_LENGTH: '10', DISPLAY_NAME_MAX_LENGTH: '5' });
  const chat = await enter({ server });
  await chat.setName('Aug\tusta Ada');
  await messageField(chat).fill('01234567890');
  await chat.page.getByText('1 character too many: a message has at most 10.').waitFor();
  // Spaces around a text are not sent and do not count. A line break is one character.
  await messageField(chat).fill('  012345\n789  ');
  assert.equal(await chat.page.locator('#too-long').textContent(), '');
  await messageField(chat).press('Enter');
  await chat.waitForTexts('012345\n789');
  await chat.page.getByText('You are Aug u').waitFor();
  await chat.close();
  await server.stop();
});

test('a text without visible characters is not sent', async () => {
  const chat = await enter();
  for (const text of ['\u200b\u200b', ' \u00a0\n', '\u2800', '\u3164', '\u202e', '\ufeff', '\u00ad', '\u{1d159}']) {
    await messageField(chat).fill(text);
    await messageField(chat).press('Enter');
  }
  await chat.send('👨‍👩‍👧');
  await chat.waitForTexts('👨‍👩‍👧');
  await chat.close();
});
