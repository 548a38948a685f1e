// SPDX-License-Identifier: BSD-2-Clause
// A sender of Apple's protocol that does what it is told, a step at a time: PROTOCOL.md#kdp-1.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const WRQ = 2, DATA = 3, ACK = 4, ERROR = 5, EOF = 7;
const SIZE = 1406, AGAIN_MS = 100, PATIENCE_MS = 30000;

export class Sender {
  /** @param port where panicd listens on 127.0.0.1 */
  static async open(port, name) {
    const sender = new Sender();
    sender.socket = createSocket('udp4');
    sender.socket.connect(port, '127.0.0.1');
    await once(sender.socket, 'connect');
    sender.socket.on('message', (got) => sender.heard(got));
    sender.socket.on('error', () => {}); // nobody there for a moment
    sender.block = 0;
    const features = Buffer.alloc(8);
    features.writeUInt32BE(3, 0);
    features.writeUInt32BE(SIZE, 4);
    await sender.ask(Buffer.concat([Buffer.from([0, WRQ]), Buffer.from(name), Buffer.from('\0octet\0features\0'), features]));
    return sender;
  }

  heard(got) {
    const op = got.readUInt16BE(0), block = got.readUInt32BE(2);
    if (op === ERROR) this.refuse?.(new Error(`ERROR ${block}: ${got.subarray(6)}`));
    else if ((op & 0xff) === ACK && block === this.block) this.accept?.();
  }

  /** Sends one packet until it is acknowledged. */
  async ask(packet) {
    const send = () => this.socket.send(packet, () => {});
    let again, end;
    try {
      await new Promise((accept, refuse) => {
        Object.assign(this, { accept, refuse });
        again = setInterval(send, AGAIN_MS);
        end = setTimeout(() => refuse(new Error(`no answer to block ${this.block}`)), PATIENCE_MS);
        send();
      });
    } finally {
      clearInterval(again);
      clearTimeout(end);
    }
    this.block++;
  }

  packet(op, payload = Buffer.alloc(0)) {
    const head = Buffer.alloc(6);
    head.writeUInt16BE(op, 0);
    head.writeUInt32BE(this.block, 2);
    return Buffer.concat([head, payload]);
  }

  async data(content) {
    for (let at = 0; at < content.length; at += SIZE) await this.ask(this.packet(DATA, content.subarray(at, at + SIZE)));
  }

  async finish() {
    await this.ask(this.packet(EOF));
    this.close();
  }

  close() {
    this.socket.close();
  }
}
