import * as actions from "./actions.js";
import * as cards from "./cards.js";
import * as composer from "./composer.js";
import * as live from "./live.js";
import * as menus from "./menus.js";
import * as toasts from "./toasts.js";

for (const part of [menus, cards, composer, actions, toasts, live]) part.start();
