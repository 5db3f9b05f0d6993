// The code that resumes, for the snippets to import.

export { follow, resuming } from '../support/resume.js';
