// The scenarios in Firefox.

import { runScenarios } from './scenarios.js';
import { firefoxDriver } from './support/firefox_driver.js';

runScenarios(firefoxDriver);
