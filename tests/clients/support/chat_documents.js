// Prints the manifest of the chat page's documents, which src/web/chat-documents.json keeps: `make chat-documents`.

import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';

import * as operations from '../../../src/web/chat/operations.js';

/** Documents by their SHA-256 hashes. */
export const byHash = (texts) => Object.fromEntries(texts.map((text) => [createHash('sha256').update(text).digest('hex'), text]));

/** The documents of the chat page. */
export const chatDocuments = () => byHash(Object.values(operations));

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(JSON.stringify(chatDocuments(), null, 2));
