import type { JSX } from "preact";

import { logOut } from "../api/client";
import { login } from "../api/login";
import { to } from "../app/router";
import { Icon } from "../parts/icons";
import { language, languages, speak, text } from "../texts";

/** Everything that is not needed every day. */
export default function MorePage(): JSX.Element {
  const known = login.value;
  return (
    <div class="stack">
      <h1>{text("nav.more")}</h1>
      {known !== null && <p class="quiet">{text("more.logged_in", { name: known.user, role: text(`role.${known.role}`) })}</p>}
      <ul class="list sheet">
        <li>
          <a href={to("me")}>
            {text("more.me")}
            <Icon name="forward" />
          </a>
        </li>
      </ul>
      <section class="sheet stack">
        <label class="field">
          {text("more.language")}
          <select value={language.value} onChange={(event) => speak(event.currentTarget.value)}>
            {languages.map((one) => (
              <option key={one} value={one}>
                {new Intl.DisplayNames(one, { type: "language" }).of(one)}
              </option>
            ))}
          </select>
        </label>
        <button class="plain-button" type="button" onClick={() => void logOut()}>
          {text("more.logout")}
        </button>
      </section>
      <p class="quiet small">{text("more.about")}</p>
    </div>
  );
}
