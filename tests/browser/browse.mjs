// Opens pages in Chromium and says what is wrong with them.
// Usage: node browse.mjs NODE_MODULES <VISITS
// VISITS is JSON: {"visits": [{"url", "width", "height", "dark", "picture"}]}; a picture is the path
// of a PNG to write, or null. The answer is JSON: for each visit, the findings of axe-core at levels
// A and AA, what the browser complained about, the width of the content, the number of elements
// that the tab key reaches, and the milliseconds until the first byte.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const modules = process.argv[2]
const require = createRequire(join(modules, 'x'))
const WebSocket = require('ws')
const axe = readFileSync(join(modules, 'axe-core/axe.min.js'), 'utf8')
const { visits } = JSON.parse(readFileSync(0, 'utf8'))
const LEVELS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
// Longest time in milliseconds for one page.
const PATIENCE = 60_000

const profile = mkdtempSync(join(tmpdir(), 'seedwatch-browser-'))
const chromium = spawn('chromium', [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--hide-scrollbars', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank',
], { stdio: ['ignore', 'ignore', 'pipe'] })

try {
  const socket = await connect()
  const answers = []
  for (const visit of visits) answers.push(await look(socket, visit))
  console.log(JSON.stringify(answers))
} finally {
  chromium.kill()
  await new Promise(ended => chromium.exitCode === null ? chromium.on('exit', ended) : ended())
  await remove(profile)
}

/** Removes the profile. The helpers of the browser may write to it for some time after its end. */
async function remove (folder) {
  for (let left = 40; left > 0; left--) {
    try {
      rmSync(folder, { recursive: true, force: true })
      return
    } catch (error) {
      if (left === 1) throw error
      await new Promise(waited => setTimeout(waited, 250))
    }
  }
}

/** Returns a connection to the one tab. */
async function connect () {
  const endpoint = await new Promise((found, failed) => {
    let said = ''
    chromium.stderr.on('data', text => {
      said += text
      const match = said.match(/DevTools listening on (ws:\S+)/)
      if (match) found(match[1])
    })
    chromium.on('exit', () => failed(new Error(`chromium has ended: ${said}`)))
  })
  const { host } = new URL(endpoint)
  const tabs = await (await fetch(`http://${host}/json`)).json()
  const tab = tabs.find(tab => tab.type === 'page')
  const socket = new WebSocket(tab.webSocketDebuggerUrl, { maxPayload: 1 << 28 })
  await new Promise(opened => socket.on('open', opened))
  return new Tab(socket)
}

/** A tab, spoken to over the DevTools protocol. */
function Tab (socket) {
  let next = 0
  const waiting = new Map()
  const listeners = new Set()
  socket.on('message', text => {
    const message = JSON.parse(text)
    if (message.id === undefined) {
      listeners.forEach(listener => listener(message))
      return
    }
    const { resolve, reject } = waiting.get(message.id)
    waiting.delete(message.id)
    message.error ? reject(new Error(message.error.message)) : resolve(message.result)
  })
  this.call = (method, params = {}) => new Promise((resolve, reject) => {
    const id = next++
    waiting.set(id, { resolve, reject })
    socket.send(JSON.stringify({ id, method, params }))
  })
  this.listen = listener => listeners.add(listener)
  this.forget = listener => listeners.delete(listener)
  this.run = async expression => {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', {
      expression, awaitPromise: true, returnByValue: true
    })
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails))
    return result.value
  }
}

async function look (tab, { url, width, height, dark, picture }) {
  const complaints = []
  const listen = ({ method, params }) => {
    // The status of the page itself is no complaint: a page says that something does not exist.
    const isOwn = params?.entry?.source === 'network' && params.entry.url === url
    if (method === 'Log.entryAdded' && !isOwn) complaints.push(params.entry.text)
    if (method === 'Runtime.exceptionThrown') complaints.push(params.exceptionDetails.text)
  }
  tab.listen(listen)
  await tab.call('Log.enable')
  await tab.call('Page.enable')
  await tab.call('Emulation.setDeviceMetricsOverride', {
    width, height, deviceScaleFactor: 1, mobile: false
  })
  await tab.call('Emulation.setEmulatedMedia', {
    features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]
  })
  const loaded = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${url} does not load`)), PATIENCE)
    const done = ({ method }) => {
      if (method !== 'Page.loadEventFired') return
      clearTimeout(timer)
      tab.forget(done)
      resolve()
    }
    tab.listen(done)
  })
  await tab.call('Page.navigate', { url })
  await loaded
  await tab.run(`${axe}; 0`)
  const findings = await tab.run(`axe.run({ runOnly: ${JSON.stringify(LEVELS)} }).then(found =>
    found.violations.map(({ id, help, nodes }) =>
      ({ id, help, nodes: nodes.slice(0, 3).map(node => node.html.slice(0, 200)) })))`)
  const facts = await tab.run(`({
    content: document.documentElement.scrollWidth,
    focusable: document.querySelectorAll('a[href], input, select, button, [tabindex="0"]').length,
    firstByte: performance.getEntriesByType('navigation')[0].responseStart,
  })`)
  if (picture) {
    const { data } = await tab.call('Page.captureScreenshot', { format: 'png' })
    writeFileSync(picture, Buffer.from(data, 'base64'))
  }
  tab.forget(listen)
  return { url, width, dark, findings, complaints, ...facts }
}
