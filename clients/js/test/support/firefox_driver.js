// Runs scenarios in Firefox: a device is a user context, or a browser of its own if it is to be frozen, and a client is a tab.

import { launchFirefox } from './firefox.js';
import { startSite } from './site.js';

export const firefoxDriver = {
  name: 'Firefox',
  async open() {
    [this.site, this.shared] = await Promise.all([startSite(), launchFirefox()]);
  },
  async close() {
    await this.shared?.close();
    await this.site?.close();
  },
  async openDevice({ isFrozenLater }) {
    const browser = isFrozenLater ? await launchFirefox() : this.shared;
    const { userContext } = await browser.command('browser.createUserContext');
    return {
      pid: browser.pid,
      openClient: async () => {
        const { context } = await browser.command('browsingContext.create', { type: 'tab', userContext });
        await browser.command('browsingContext.navigate', { context, url: `${this.site.url}/`, wait: 'complete' });
        await browser.evaluate(context, LOAD);
        return {
          execute: (command, values) => browser.evaluate(context, EXECUTE, command, JSON.stringify(values)),
          close: () => browser.command('browsingContext.close', { context }),
        };
      },
      close: () => (isFrozenLater ? browser.close() : browser.command('browser.removeUserContext', { userContext })),
    };
  },
};

/** The program is loaded once, so that commands are executed in their order. */
const LOAD = `async () => { globalThis.program = await import('/test/support/program.js'); }`;
const EXECUTE = `(command, values) => globalThis.program.execute(command, JSON.parse(values))`;
