// The scenarios in Chromium.

import { runScenarios } from './scenarios.js';
import { chromiumDriver } from './support/chromium_driver.js';

runScenarios(chromiumDriver);
