/**
 * One participant's path to the bridge: a relay of datagrams that delays, loses and holds them
 * back, each direction for itself. What does not fit the queue of a capped direction is lost.
 */

import dgram from "node:dgram";

const IP_AND_UDP = 28;

class Direction {
  constructor(send) {
    this.send = send;
    this.state = { delay: 0, loss: 0, rate: 0, queue: 300 };
    this.free = 0;
    this.bytes = 0;
    this.packets = 0;
    this.dropped = 0;
  }

  carry(packet) {
    this.packets += 1;
    const { delay, loss, rate, queue } = this.state;
    if (Math.random() * 100 < loss) {
      this.dropped += 1;
      return;
    }
    const now = performance.now();
    let due = now + delay;
    if (rate > 0) {
      const free = Math.max(this.free, now);
      if (free - now > queue) {
        this.dropped += 1;
        return;
      }
      this.free = free + ((packet.length + IP_AND_UDP) * 8) / (rate / 1000);
      due = this.free + delay;
    }
    const pass = () => {
      this.bytes += packet.length;
      this.send(packet);
    };
    if (due <= now) pass();
    else setTimeout(pass, due - now);
  }
}

export class Link {
  /** Opens both ends; `bridge` is `{ ip, port }`. */
  static async open(bridge) {
    const link = new Link();
    link.client = await bound();
    link.server = await bound();
    let peer;
    link.up = new Direction((packet) => link.server.send(packet, bridge.port, bridge.ip));
    link.down = new Direction((packet) => {
      if (peer !== undefined) link.client.send(packet, peer.port, peer.address);
    });
    link.client.on("message", (packet, from) => {
      peer = from;
      link.up.carry(packet);
    });
    link.server.on("message", (packet) => link.down.carry(packet));
    link.address = { ip: "127.0.0.1", port: link.client.address().port };
    return link;
  }

  /** Changes both directions, or the one that is named: `{ down: { rate: 300_000 } }`. */
  shape({ up = {}, down = {}, ...both }) {
    Object.assign(this.up.state, both, up);
    Object.assign(this.down.state, both, down);
  }

  close() {
    for (const direction of [this.up, this.down]) direction.send = () => {};
    this.client.close();
    this.server.close();
  }
}

function bound() {
  return new Promise((done, failed) => {
    const socket = dgram.createSocket("udp4");
    socket.once("error", failed);
    socket.bind(0, "127.0.0.1", () => done(socket));
  });
}
