/** A meeting of browsers on a bridge, without a focus: colibri2 over HTTP, offers made here. */

import { COLOURS, nearest } from "../devices.mjs";
import { Link } from "./link.mjs";
import { clientSources, clientTransport, medias, offer } from "./offer.mjs";

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let meetings = 0;

/** The bridge's private HTTP. */
export class Bridge {
  constructor(address) {
    this.address = address;
  }

  async ask(method, path, body) {
    const response = await fetch(`${this.address}${path}`, {
      method,
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}

class Participant {
  constructor(page, id, colour) {
    Object.assign(this, { page, id, colour, remote: [], version: 0 });
  }

  /** Runs a method of the participant's person in the page. */
  do(method, ...values) {
    return this.page.evaluate(
      (id, name, list) => window.people.get(id)[name](...list),
      this.id,
      method,
      values,
    );
  }

  line(source) {
    return this.remote.findIndex((one) => one.name === source) + 3;
  }
}

export class Meeting {
  people = [];

  constructor(bridge, page) {
    meetings += 1;
    Object.assign(this, { bridge, page, id: `meeting-${meetings}` });
  }

  change(endpoint) {
    const body = { "meeting-id": this.id, endpoints: [endpoint] };
    if (this.people.length === 0) {
      return this.bridge.ask("POST", "/colibri/v2/conferences", body);
    }
    return this.bridge.ask("PATCH", `/colibri/v2/conferences/${this.id}`, body);
  }

  /**
   * One more joins. `setup`: codec, red, estimate, channel, camera, busy, simulcast, scalability,
   * `rewriting` for streams that are the bridge's own, `link` for a path that can be shaped, and what it wants to see.
   */
  async join(setup) {
    const at = this.people.length;
    const id = `${(0xabcd0000 + at).toString(16)}`;
    const person = new Participant(this.page, id, at % COLOURS.length);
    const media = medias(setup);
    const answer = await this.change({
      id,
      create: true,
      medias: media,
      capabilities: ["source-names", ...(setup.rewriting ? ["ssrc-rewriting"] : [])],
      transport: {
        "ice-controlling": true,
        sctp: setup.channel === "sctp" ? {} : undefined,
      },
    });
    const granted = answer.endpoints[0].transport;
    Object.assign(person, { media, setup, granted });
    await this.route(person);
    await this.page.evaluate((values) => window.enter(values), {
      ...setup,
      id,
      link: undefined,
      colour: COLOURS[person.colour],
      pitch: 220 + 70 * at,
    });
    if (!setup.rewriting) person.remote = this.people.flatMap((other) => other.sources);
    const sdp = await this.negotiate(person);
    const sources = clientSources(sdp, id);
    person.sources = sources.map(({ type: kind, id: name, sources: ssrcs, "ssrc-groups": groups }) => {
      const first = ssrcs[0].ssrc;
      const repair = groups.find(
        ({ semantics, sources: list }) => semantics === "FID" && list[0] === first,
      );
      return { kind, name, ssrc: first, rtx: repair?.sources[1] };
    });
    this.people.push(person);
    await this.change({ id, transport: { transport: clientTransport(sdp) }, sources });
    if (setup.channel === "websocket") {
      await person.do("connect", granted.transport["web-sockets"][0]);
    }
    await person.do("say", {
      colibriClass: "ReceiverVideoConstraints",
      lastN: -1,
      defaultConstraints: { maxHeight: 720 },
      ...setup.wants,
    });
    for (const other of this.people) {
      if (other === person || other.setup.rewriting) continue;
      other.remote.push(...person.sources);
      await this.negotiate(other);
    }
    return person;
  }

  /** Where the browser finds the bridge: itself, or a link before it. */
  async route(person) {
    const { ip, port } = person.granted.transport.candidates[0];
    person.link?.close();
    person.link = person.setup.link ? await Link.open({ ip, port }) : undefined;
    person.link?.shape(person.setup.link);
    person.address = person.link?.address ?? { ip, port };
  }

  negotiate(person) {
    person.version += 1;
    return person.do(
      "answer",
      offer({
        version: person.version,
        transport: person.granted.transport,
        address: person.address,
        media: person.media,
        sctpPort: person.granted.sctp?.port,
        remote: person.remote,
      }),
    );
  }

  /** ICE begins anew in place, and over another link if there is one. */
  async restart(person) {
    const answer = await this.change({ id: person.id, transport: { "ice-restart": true } });
    const { transport } = answer.endpoints[0].transport;
    person.granted.transport = { ...person.granted.transport, ...transport };
    await this.route(person);
    const sdp = await this.negotiate(person);
    const generation = { "ice-generation": transport["ice-generation"] };
    await this.change({
      id: person.id,
      transport: { transport: { ...clientTransport(sdp), ...generation } },
    });
  }

  async constrain(person, wants) {
    await person.do("say", { colibriClass: "ReceiverVideoConstraints", ...wants });
  }

  /** Takes in what the bridge says about its own streams. */
  async follow(person) {
    const mapped = await person.do("mapped");
    if (mapped.length === 0) return;
    for (const { kind, source, ssrc, rtx } of mapped) {
      const known = person.remote.find((one) => one.ssrc === ssrc);
      if (known) known.name = source;
      else person.remote.push({ kind, name: source, ssrc, rtx: rtx > 0 ? rtx : undefined });
    }
    await this.negotiate(person);
  }

  /** Each pair: what the one sees and hears of the other. */
  async look() {
    for (const person of this.people) await this.follow(person);
    const seen = await Promise.all(this.people.map((person) => person.do("look")));
    const pairs = [];
    for (const [at, by] of this.people.entries()) {
      for (const of of this.people) {
        if (by === of) continue;
        const picture = seen[at].received[by.line(`${of.id}-v0`)];
        const sound = seen[at].received[by.line(`${of.id}-a0`)];
        pairs.push({
          by,
          of,
          picture,
          sound,
          sees: picture?.frames > 0 && picture.colour && nearest(picture.colour) === of.colour,
          hears: sound?.energy > 0,
        });
      }
    }
    return { seen, pairs, met: pairs.every((pair) => pair.sees && pair.hears) };
  }

  /** Looks until `condition` holds of a look, and returns the look; none after `limit`. */
  async until(condition, limit = 15_000) {
    const end = Date.now() + limit;
    for (;;) {
      const found = await this.look();
      if (condition(found)) return found;
      if (Date.now() > end) return undefined;
      await sleep(100);
    }
  }

  /** The present; how late the page's timers are counts from here on. */
  begin() {
    return this.page.evaluate(() => {
      window.lag = 0;
      return performance.now();
    });
  }

  now() {
    return this.page.evaluate(() => performance.now());
  }

  /** Times of the pictures that one was shown of another, milliseconds. */
  times(by, of, since = 0) {
    return by.do("times", String(by.line(`${of.id}-v0`)), since);
  }

  /** The longest time without a new picture, from `since` to `end`. */
  async longestGap(by, of, since, end) {
    const times = [since, ...(await this.times(by, of, since)).filter((time) => time < end), end];
    return Math.round(Math.max(...times.slice(1).map((time, at) => time - times[at])));
  }

  async end() {
    for (const person of this.people) {
      await this.page.evaluate((id) => window.leave(id), person.id);
      await this.change({ id: person.id, expire: true });
      person.link?.close();
    }
  }
}

export { sleep };
