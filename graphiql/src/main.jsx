// GraphiQL with the tabs of a first chat, for the server that serves this page.

import './workers.js';
import 'graphiql/style.css';
import './page.css';

import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { Kind, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';

import { fillIn, tabs, variablesFrom } from './first-chat.js';
import { resuming } from './resuming.js';

const url = new URL('graphql', location.href);
const socket = new URL(url);
socket.protocol = url.protocol.replace('http', 'ws');

const send = createGraphiQLFetcher({
  url: url.href,
  wsClient: createClient({ url: socket.href, ...resuming() }),
});

/**
 * Sends the operation in the editor. GraphiQL updates the operation name with a delay after a change of tabs, and would send the
 * previous one.
 */
function fetcher(params, options) {
  let documentAST;
  try {
    documentAST = parse(params.query);
  } catch {
    return send(params, options); // The server reports the error.
  }
  const operations = documentAST.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  const operationName = operations.length === 1 ? operations[0].name?.value : params.operationName;
  return send({ ...params, operationName }, { ...options, documentAST });
}

/** The current state of all tabs. Components only see the state of their last rendering. */
let current;

/** Fills variables from the last response into every tab. */
function VariableFiller() {
  const { tabs, activeTabIndex, queryEditor, variableEditor } = useGraphiQL((state) => state);
  const { moveTab, updateActiveTabValues } = useGraphiQLActions();
  const { response } = tabs[activeTabIndex];
  useEffect(() => {
    const values = variablesFrom(response);
    const fill = (variables) => fillIn(variables, values);
    if (tabs.every(({ variables }) => fill(variables) === variables)) return;
    // The editors may have newer text than the tab.
    updateActiveTabValues({ query: queryEditor.getValue(), variables: fill(variableEditor.getValue()) });
    // `moveTab` replaces the other tabs, and requires the shown tab to be among them.
    const shown = current.tabs[current.activeTabIndex];
    moveTab(current.tabs.map((tab) => (tab === shown ? tab : { ...tab, variables: fill(tab.variables) })));
  }, [response]);
  return 'Responses fill in the variables of the other tabs.';
}

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL
    fetcher={fetcher}
    defaultTabs={tabs}
    defaultEditorToolsVisibility="variables"
    onTabChange={(state) => {
      current = state;
    }}
  >
    <GraphiQL.Logo>
      <h1>LiveChat</h1>
    </GraphiQL.Logo>
    <GraphiQL.Footer>
      <VariableFiller />
    </GraphiQL.Footer>
  </GraphiQL>,
);
