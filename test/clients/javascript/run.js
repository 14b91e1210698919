// Builds the server, starts it with the sample organisation on a free port and an empty folder, runs the tests against it
// and stops it. The tests trust the server's own authority by NODE_EXTRA_CA_CERTS, which a process reads when it
// starts: so they are processes of their own, and learn where the sample is from PORTCULLIS_SAMPLE.
//
// `node run.js` runs all tests, `node run.js group.test.js …` some. They run by the Node.js that calls this file, one file
// after the other: all of them move the one clock.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const here = import.meta.dirname
const repository = join(here, '../../..')
const startsWithin = 120_000 // ms
const stopsWithin = 30_000 // ms
const testWithin = 180_000 // ms; a test may have to wait for the next one-time code
const maxOutput = 16 << 10 // characters

/** Aborted when somebody wants all of it to end: the tests are ended, and then the server in order. */
const interrupted = new AbortController()

/** A running server. */
class Server {
  #process
  #ended
  #output = ''

  constructor(program, data, address) {
    this.file = join(data, 'sample.json')
    // In a group of its own, so that an interrupt from the keyboard does not reach it.
    this.#process = spawn(program, ['serve', '--sample', '--data', data, '--listen', address],
      { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { this.#output = (this.#output + text).slice(-maxOutput) })
    }
    this.#ended = new Promise((resolve) => {
      this.#process.on('error', (err) => resolve(err.message)).on('exit', (code, signal) => resolve(signal ?? code))
    })
  }

  get output() { return this.#output }

  /** Waits for the manifest, which the server writes once it can answer. */
  async ready() {
    const deadline = Date.now() + startsWithin
    while (!existsSync(this.file)) {
      interrupted.signal.throwIfAborted()
      if (Date.now() > deadline) throw new Error(`it wrote no ${this.file} within ${startsWithin / 1000} s`)
      const how = await Promise.race([this.#ended, pause(50, 'runs')])
      if (how !== 'runs') throw new Error(`it ended: ${how}`)
    }
    return JSON.parse(readFileSync(this.file, 'utf8'))
  }

  /** Ends the process, and fails when it does not end well. */
  async stop() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGTERM')
    const waiting = new AbortController()
    const late = pause(stopsWithin, 'late', { signal: waiting.signal }).catch(() => 'late')
    const how = await Promise.race([this.#ended, late])
    waiting.abort()
    if (how === 'late') {
      this.#process.kill('SIGKILL')
      throw new Error(`it did not stop within ${stopsWithin / 1000} s`)
    }
    if (how !== 0) throw new Error(`it ended with: ${how}`)
  }
}

function build(dir) {
  const program = join(dir, 'pim')
  const made = spawnSync('go', ['build', '-o', program, 'portcullis/cmd/pim'],
    { cwd: repository, env: { ...process.env, CGO_ENABLED: '0' }, encoding: 'utf8' })
  if (made.error) throw made.error
  if (made.status !== 0) throw new Error(`the server does not build:\n${made.stdout}${made.stderr}`)
  return program
}

async function freeAddress() {
  const listener = createServer()
  await new Promise((resolve, reject) => listener.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = listener.address()
  await new Promise((resolve) => { listener.close(resolve) })
  return `127.0.0.1:${port}`
}

/** Runs the tests against a server, and returns their exit code. */
function test(manifest, file) {
  const names = process.argv.slice(2)
  const files = names.length > 0 ? names : readdirSync(here).filter((name) => name.endsWith('.test.js')).sort()
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: manifest.caFile, PORTCULLIS_SAMPLE: file }
  // The SDK would send what is meant for this machine to a proxy.
  for (const name of Object.keys(env)) if (/^https?_proxy$/i.test(name)) delete env[name]
  const tests = spawn(process.execPath,
    ['--test', '--test-concurrency=1', `--test-timeout=${testWithin}`, '--test-reporter=spec', ...files],
    { cwd: here, env, stdio: 'inherit', signal: interrupted.signal })
  return new Promise((resolve, reject) => { tests.on('error', reject).on('exit', (code) => resolve(code ?? 1)) })
}

async function run() {
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-javascript-'))
  try {
    const server = new Server(build(dir), join(dir, 'data'), await freeAddress())
    let code = 1
    try {
      code = await test(await server.ready(), server.file)
    } finally {
      await server.stop().catch((err) => {
        code = 1
        console.error(`the server does not stop: ${err.message}`)
      })
      if (code !== 0) console.error(`the server said:\n${server.output}`)
    }
    return code
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupted.abort())
process.exitCode = await run()
