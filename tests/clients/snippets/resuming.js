// What the README shows, for the snippets to import.

export { follow, resuming } from '../support/resume.js';
