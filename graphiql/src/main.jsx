// GraphiQL with a first chat in its tabs, speaking to the server that served this page.

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

import { filled, learned, tabs } from './first-chat.js';
import { resuming } from './resuming.js';

const url = new URL('graphql', location.href);
const socket = new URL(url);
socket.protocol = url.protocol.replace('http', 'ws');

const ask = createGraphiQLFetcher({
  url: url.href,
  wsClient: createClient({ url: socket.href, ...resuming() }),
});

/**
 * Asks for what stands in the editor: GraphiQL notices a moment late that another tab has another operation, and whoever is
 * quick would ask for the one before.
 */
function fetcher(params, options) {
  let documentAST;
  try {
    documentAST = parse(params.query);
  } catch {
    return ask(params, options); // The server will say what is wrong with it.
  }
  const operations = documentAST.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  const operationName = operations.length === 1 ? operations[0].name?.value : params.operationName;
  return ask({ ...params, operationName }, { ...options, documentAST });
}

/** All tabs as they are at this moment, which a component that was rendered before does not see. */
let current;

/** Fills what an answer gives into the variables of every tab that has them. */
function Filling() {
  const { tabs, activeTabIndex, queryEditor, variableEditor } = useGraphiQL((state) => state);
  const { moveTab, updateActiveTabValues } = useGraphiQLActions();
  const { response } = tabs[activeTabIndex];
  useEffect(() => {
    const values = learned(response);
    const fill = (variables) => filled(variables, values);
    if (tabs.every(({ variables }) => fill(variables) === variables)) return;
    // What was typed a moment ago has not reached its tab yet.
    updateActiveTabValues({ query: queryEditor.getValue(), variables: fill(variableEditor.getValue()) });
    // Takes the other tabs as they are given, and must find the one that is shown among them.
    const shown = current.tabs[current.activeTabIndex];
    moveTab(current.tabs.map((tab) => (tab === shown ? tab : { ...tab, variables: fill(tab.variables) })));
  }, [response]);
  return 'Answers fill in the variables of the other tabs.';
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
      <Filling />
    </GraphiQL.Footer>
  </GraphiQL>,
);
