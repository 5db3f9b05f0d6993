// Runs scenarios in Chromium: a device is a context, or a browser of its own if it is to be frozen, and a client is a page.

import { launchChromium } from '../../../../tests/clients/support/browser.js';
import { startSite } from './site.js';

export const chromiumDriver = {
  name: 'Chromium',
  async open() {
    [this.site, this.shared] = await Promise.all([startSite(), launchChromium()]);
  },
  async close() {
    await this.shared?.close();
    await this.site?.close();
  },
  async openDevice({ isFrozenLater }) {
    const { browser, pid, close } = isFrozenLater ? await launchChromium() : this.shared;
    const context = await browser.newContext();
    return {
      pid,
      openClient: async () => {
        const page = await context.newPage();
        await page.goto(`${this.site.url}/`);
        // Loaded once, so that commands are executed in their order.
        await page.evaluate(async () => (globalThis.program = await import('/test/support/program.js')) && null);
        const execute = (...call) => page.evaluate((call) => globalThis.program.execute(...call), call);
        return { execute, close: () => page.close() };
      },
      close: () => (isFrozenLater ? close() : context.close()),
    };
  },
};
