// Prints the manifest of the chat page's documents, which src/web/chat-documents.json keeps: `make chat-documents`.

import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';

import * as operations from '../../../src/web/chat/operations.js';

/** The documents of the chat page by their SHA-256 hashes. */
export function chatDocuments() {
  const texts = Object.values(operations);
  return Object.fromEntries(texts.map((text) => [createHash('sha256').update(text).digest('hex'), text]));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(JSON.stringify(chatDocuments(), null, 2));
