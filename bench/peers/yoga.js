// A chat server on GraphQL Yoga and graphql-ws, as their documentation shows it. Messages are kept in Redis lists, and events go
// through Redis pub/sub.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createRedisEventTarget } from '@graphql-yoga/redis-event-target';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga } from 'graphql-yoga';
import { Redis } from 'ioredis';
import { WebSocketServer } from 'ws';

const redis = new Redis(process.env.REDIS_URL);
// Without the check, which fails if the connection has subscribed before it.
const pubSub = createPubSub({
  eventTarget: createRedisEventTarget({ publishClient: redis, subscribeClient: redis.duplicate({ enableReadyCheck: false }) }),
});
const key = (roomId) => `yoga:${roomId}`;

// The same schema as that of graphql_axum.rs.
const typeDefs = /* GraphQL */ `
  type Query {
    messages(roomId: ID!, last: Int!): [Message!]!
  }
  type Mutation {
    sendMessage(roomId: ID!, userId: ID!, displayName: String!, text: String!): Message!
  }
  type Subscription {
    messageSent(roomId: ID!): Message!
  }
  type Message {
    id: ID!
    text: String!
    createdAt: String!
    author: Author!
  }
  type Author {
    id: ID!
    displayName: String!
  }
`;

const resolvers = {
  Query: {
    messages: async (_, { roomId, last }) => (await redis.lrange(key(roomId), -last, -1)).map((text) => JSON.parse(text)),
  },
  Mutation: {
    sendMessage: async (_, { roomId, userId, displayName, text }) => {
      const author = { id: userId, displayName };
      const message = { id: randomUUID(), text, createdAt: new Date().toISOString(), author };
      await redis.rpush(key(roomId), JSON.stringify(message));
      pubSub.publish('messageSent', roomId, message);
      return message;
    },
  },
  Subscription: {
    messageSent: {
      subscribe: (_, { roomId }) => pubSub.subscribe('messageSent', roomId),
      resolve: (message) => message,
    },
  },
};

const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }) });
const server = createServer(yoga);

useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (ctx, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...ctx,
        req: ctx.extra.request,
        socket: ctx.extra.socket,
        params,
      });
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
      const errors = validate(args.schema, args.document);
      return errors.length > 0 ? errors : args;
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint }),
);

server.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${server.address().port}`));
