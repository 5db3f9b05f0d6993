// Freezing a program: it and all processes that it has started.

import { readdirSync, readFileSync } from 'node:fs';

/** The process and its descendants. */
function processTree(root) {
  const children = new Map();
  for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      // The name of the program, in parentheses, may contain spaces.
      const parent = Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended.
    }
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

function signal(pid, name) {
  for (const one of processTree(pid)) {
    try {
      process.kill(one, name);
    } catch {
      // It has ended.
    }
  }
}

export const freeze = (pid) => signal(pid, 'SIGSTOP');

export const thaw = (pid) => signal(pid, 'SIGCONT');
