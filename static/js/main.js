import * as actions from "./actions.js";
import * as cards from "./cards.js";
import * as clock from "./clock.js";
import * as composer from "./composer.js";
import * as edit from "./edit.js";
import * as live from "./live.js";
import * as menus from "./menus.js";
import * as notices from "./notices.js";
import * as numbers from "./numbers.js";
import * as push from "./push.js";
import * as stills from "./stills.js";
import * as sure from "./sure.js";
import * as toasts from "./toasts.js";
import * as truth from "./truth.js";

for (const part of [menus, numbers, cards, clock, composer, actions, sure, edit, notices, toasts, push, truth, stills, live]) part.start();
