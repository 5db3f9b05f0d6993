// GraphiQL from the CDN, with example operations in its tabs. If the CDN cannot be reached, the text of the page stays.

import { tabs } from './first-chat.js';

const { GraphiQL, React, ReactDOM, graphqlWs } = window;

if (GraphiQL) {
  const url = new URL('graphql', location.href);
  const socket = new URL(url);
  socket.protocol = url.protocol.replace('http', 'ws');
  const fetcher = GraphiQL.createFetcher({
    url: url.href,
    wsClient: graphqlWs.createClient({ url: socket.href }),
  });
  ReactDOM.createRoot(document.getElementById('graphiql')).render(
    React.createElement(GraphiQL, { fetcher, defaultTabs: tabs, defaultEditorToolsVisibility: 'variables' }),
  );
}
