// The meaning of keys, and which keys belong to an input method.

/**
 * Whether a key belongs to an input method that is composing a word: Enter confirms the word, Escape discards it, arrows choose
 * another. Safari ends the composition before it reports the key that ended it; only `keyCode` shows that.
 */
export const isForInputMethod = (event) => event.isComposing || event.keyCode === 229;

/** Whether this key cancels. */
export const isCancel = (event) => event.key === 'Escape' && !isForInputMethod(event);

/** Whether this key confirms a field. */
export const isConfirm = (event) => event.key === 'Enter' && !isForInputMethod(event);

/** Whether this key sends: Enter without Shift, but not on a touch screen. */
export function isSend(event) {
  const onTouch = matchMedia('(hover: none) and (pointer: coarse)').matches;
  return isConfirm(event) && !event.shiftKey && !onTouch;
}
