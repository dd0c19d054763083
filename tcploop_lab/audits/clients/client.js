// Node.js: connect, say hello, read the answer.
const net = require("node:net");
const socket = net.connect(Number(process.argv[2]), "127.0.0.1", () => socket.write("hello\n"));
socket.setTimeout(3000, () => socket.destroy(new Error("no answer")));
socket.on("error", (error) => { console.error(String(error)); process.exitCode = 1; });
socket.once("data", (data) => { console.log("the server says", JSON.stringify(String(data))); socket.end(); });
