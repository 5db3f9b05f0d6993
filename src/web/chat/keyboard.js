// What a key means to the page, and which keys are not meant for it.

/**
 * Whether a key belongs to an input method, with which a word is being composed: Enter confirms the word, Escape drops it,
 * arrows choose another. Safari ends the composition before it reports the key that ended it, and marks only its code.
 */
export const isForInputMethod = (event) => event.isComposing || event.keyCode === 229;

/** Whether this key means “back out of this”. */
export const isCancel = (event) => event.key === 'Escape' && !isForInputMethod(event);

/** Whether this key means “done with this field”. */
export const isConfirm = (event) => event.key === 'Enter' && !isForInputMethod(event);

/** Whether this key means “send”: Enter, but not with Shift, and not on a touch screen. */
export function isSend(event) {
  const onTouch = matchMedia('(hover: none) and (pointer: coarse)').matches;
  return isConfirm(event) && !event.shiftKey && !onTouch;
}
