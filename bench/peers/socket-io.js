// A chat server on Socket.IO and its Redis adapter, as their documentation shows it. Messages are kept in Redis lists.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

const redis = new Redis(process.env.REDIS_URL);
const server = createServer();
// Without the check, which fails if the connection has subscribed before it.
const io = new Server(server, { adapter: createAdapter(redis, redis.duplicate({ enableReadyCheck: false })) });
const key = (room) => `socket.io:messages:${room}`;

io.on('connection', (socket) => {
  socket.on('join', async (room, done) => {
    await socket.join(room);
    done();
  });

  socket.on('send', async (room, author, text, done) => {
    const message = { id: randomUUID(), text, createdAt: new Date().toISOString(), author };
    await redis.rpush(key(room), JSON.stringify(message));
    io.to(room).emit('message', message);
    done(message.id);
  });

  socket.on('last', async (room, count, done) => {
    const messages = await redis.lrange(key(room), -count, -1);
    done(messages.map((text) => JSON.parse(text)));
  });
});

server.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${server.address().port}`));
