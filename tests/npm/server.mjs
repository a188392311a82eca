// Runs the tracker of npm's bittorrent-tracker on one port over HTTP and UDP, IPv4 and IPv6.
// Usage: node server.mjs NODE_MODULES IPV4_HOST PORT
// All four listeners serve the same swarms; "ready" is printed once they do.
import http from 'node:http'
import { pathToFileURL } from 'node:url'

const [modules, host, port] = process.argv.slice(2)
const { Server } = await import(pathToFileURL(`${modules}/bittorrent-tracker/index.js`))

const server = new Server({ ws: false })
server.on('error', error => { throw error })
server.on('warning', warning => console.error(warning.message))
server.on('listening', () => {
  http.createServer((request, response) => server.onHttpRequest(request, response))
    .listen(Number(port), '::1', () => console.log('ready'))
})
server.listen(Number(port), { http: host, udp: host, udp6: '::1' })
