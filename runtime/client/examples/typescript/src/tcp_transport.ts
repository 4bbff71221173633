// Cap'n Proto messages over a TCP socket: in the standard stream framing, one after the other.
// Source: https://capnproto.org/encoding.html, "Serialization over a stream".
import { Message, type Transport } from "capnp-es";
import { Message as RpcMessage } from "capnp-es/capnp/rpc";
import { connect, type Socket } from "node:net";

const segmentsMax = 512;
const messageBytesMax = 16 * 1024 * 1024; // what a node sends is no larger

interface Waiting {
  resolve: (message: RpcMessage) => void;
  reject: (error: Error) => void;
}

export class TcpTransport implements Transport {
  private unread = Buffer.alloc(0);
  private readonly arrived: RpcMessage[] = [];
  private waiting: Waiting | undefined;
  private failure: Error | undefined;

  static open(host: string, port: number): Promise<TcpTransport> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new TcpTransport(socket));
      });
    });
  }

  private constructor(private readonly socket: Socket) {
    socket.on("data", (bytes) => this.take(bytes));
    socket.on("error", (error) => this.fail(error));
    socket.on("close", () => this.fail(new Error("the node closed the connection")));
  }

  sendMessage(message: RpcMessage): void {
    this.socket.write(new Uint8Array(message.segment.message.toArrayBuffer()));
  }

  recvMessage(): Promise<RpcMessage> {
    const next = this.arrived.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => (this.waiting = { resolve, reject }));
  }

  close(): void {
    this.fail(new Error("closed"));
  }

  private take(bytes: Buffer): void {
    this.unread = Buffer.concat([this.unread, bytes]);
    for (let size = this.messageSize(); size !== undefined && size <= this.unread.length; size = this.messageSize()) {
      const words = new Uint8Array(this.unread.subarray(0, size)); // a copy: a Buffer shares its memory with others
      this.unread = this.unread.subarray(size);
      this.deliver(new Message(words.buffer, false).getRoot(RpcMessage));
    }
  }

  // Of the message that `unread` begins with; undefined as long as that is not known.
  private messageSize(): number | undefined {
    if (this.unread.length < 4) return undefined;
    const segments = this.unread.readUInt32LE(0) + 1;
    if (segments > segmentsMax) return this.fail(new Error(`a message of ${segments} segments`));
    const header = 8 * Math.ceil((4 + 4 * segments) / 8);
    if (this.unread.length < header) return undefined;
    let size = header;
    for (let i = 0; i < segments; ++i) size += 8 * this.unread.readUInt32LE(4 + 4 * i);
    return size <= messageBytesMax ? size : this.fail(new Error(`a message of ${size} bytes`));
  }

  private deliver(message: RpcMessage): void {
    const waiting = this.waiting;
    this.waiting = undefined;
    if (waiting !== undefined) waiting.resolve(message);
    else this.arrived.push(message);
  }

  private fail(error: Error): undefined {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.socket.destroy();
    this.waiting?.reject(error);
  }
}
