// Prints the manifest of the package's documents, which src/web/client-documents.json keeps: `make client-documents`.

import { pathToFileURL } from 'node:url';

import { byHash } from '../../../../tests/clients/support/chat_documents.js';
import * as operations from '../../src/operations.js';

/** The documents of the package by their SHA-256 hashes. */
export const clientDocuments = () => byHash(Object.values(operations));

if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log(JSON.stringify(clientDocuments(), null, 2));
