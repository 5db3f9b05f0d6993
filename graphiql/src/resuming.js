// Subscriptions that resume where they were interrupted. The README quotes the region.

// #region graphql-ws
function resuming() {
  const resume = {}; // operation id -> cursor of its last event
  return {
    connectionParams: () => ({ resume }),
    on: {
      message({ type, id, payload }) {
        if (type === 'next' && payload.data?.messageEvents) resume[id] = payload.data.messageEvents.cursor;
        if (type === 'complete' || type === 'error') delete resume[id];
      },
    },
    jsonMessageReplacer(key, message) {
      if (key === '' && message.type === 'complete') delete resume[message.id];
      return message;
    },
    retryAttempts: Infinity,
    shouldRetry: () => true,
  };
}
// #endregion

export { resuming };
