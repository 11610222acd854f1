// Reads the golden junit.xml files with parsers that others built, and compares
// what they count with what was written. Usage: node check.mjs DIRECTORY
import fs from 'node:fs'
import path from 'node:path'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { convertJUnitToCTRFReport } from 'junit-to-ctrf'
import { parse as junit2json } from 'junit2json'
import testResults from 'test-results-parser'
import xmljs from 'xml-js'
import xml2js from 'xml2js'

// Per golden file: cases, failures (leaks), errors (could not tell), skipped (likely
// leaks), and what the text of one that is not passed has to hold, line breaks and all.
const stack = 'example.com/cart.(*Store).refresh.func1\n\tcart/store.go:42'
const want = {
  pass: { tests: 2, failures: 0, errors: 0, skipped: 0 },
  fail: { tests: 4, failures: 3, errors: 0, skipped: 0, text: stack },
  inconclusive: { tests: 1, failures: 0, errors: 1, skipped: 0, text: 'restarted or replaced\nhint: ' },
  hostile: { tests: 3, failures: 2, errors: 1, skipped: 0, text: ']]></failure><testcase name="more"/>' },
  many: { tests: 77, failures: 68, errors: 0, skipped: 8, text: 'github.com/minio/minio-go/v7@v7.0.32/api-list.go:120' },
}

const list = x => (x === undefined ? [] : Array.isArray(x) ? x : [x])
const count = (cases, failed, broken, text) => ({
  tests: cases.length, failures: cases.filter(failed).length, errors: cases.filter(broken).length,
  skipped: cases.filter(c => c.skipped !== undefined).length,
  text: cases.filter(c => failed(c) || broken(c)).map(text).join('\n'),
})

const readers = {
  // What publishes junit2json's JSON: its own model.
  async junit2json(file, xml) {
    const doc = await junit2json(xml)
    const cases = doc.testsuite.flatMap(s => s.testcase)
    const n = count(cases, c => c.failure, c => c.error, c => (c.failure ?? c.error)[0].inner)
    if (doc.tests !== n.tests || doc.failures !== n.failures || doc.errors !== n.errors) throw new Error(`its totals are ${doc.tests}, ${doc.failures}, ${doc.errors}`)
    return n
  },
  // What dorny/test-reporter parses with.
  async xml2js(file, xml) {
    const doc = await xml2js.parseStringPromise(xml)
    const cases = doc.testsuites.testsuite.flatMap(s => s.testcase)
    return count(cases, c => c.failure, c => c.error, c => (c.failure ?? c.error)[0]._)
  },
  // What mikepenz/action-junit-report parses with.
  async 'xml-js'(file, xml) {
    const doc = xmljs.xml2js(xml, { compact: true })
    const cases = list(doc.testsuites.testsuite).flatMap(s => list(s.testcase))
    return count(cases, c => c.failure, c => c.error, c => list((c.failure ?? c.error)._cdata).join(''))
  },
  async 'fast-xml-parser'(file, xml) {
    const valid = XMLValidator.validate(xml)
    if (valid !== true) throw new Error(JSON.stringify(valid))
    const doc = new XMLParser({ ignoreAttributes: false }).parse(xml)
    const cases = list(doc.testsuites.testsuite).flatMap(s => list(s.testcase))
    return count(cases, c => c.failure, c => c.error, c => (c.failure ?? c.error)['#text'])
  },
  // It sums up by itself; a case is PASS or FAIL, whether failure or error.
  async 'test-results-parser'(file) {
    const doc = testResults.parse({ type: 'junit', files: [file] })
    const bad = doc.suites.flatMap(s => s.cases).filter(c => c.status === 'FAIL')
    if (bad.length !== doc.failed + doc.errors) throw new Error(`${bad.length} cases failed, of ${doc.failed} and ${doc.errors}`)
    // Its totals take skipped cases from an attribute that Jenkins' schema does not have.
    const skipped = doc.suites.flatMap(s => s.cases).filter(c => c.status === 'SKIP').length
    return { tests: doc.total, failures: doc.failed, errors: doc.errors, skipped, text: bad.map(c => c.stack_trace).join('\n') }
  },
  // CTRF knows no errors: what could not be told is failed, which is right for it.
  async 'junit-to-ctrf'(file) {
    const { summary, tests } = (await convertJUnitToCTRFReport(file)).results
    const bad = tests.filter(t => t.status === 'failed')
    const { failures, errors } = want[path.basename(file, '.xml')]
    if (summary.failed !== failures + errors || bad.length !== summary.failed) throw new Error(`${summary.failed} failed`)
    return { tests: summary.tests, failures, errors, skipped: summary.skipped, text: bad.map(t => t.trace).join('\n') }
  },
}

let passed = 0, failed = 0
for (const [name, read] of Object.entries(readers)) {
  for (const [golden, expected] of Object.entries(want)) {
    const file = path.join(process.argv[2], golden + '.xml')
    let problem = ''
    try {
      const got = await read(file, fs.readFileSync(file, 'utf8'))
      for (const k of ['tests', 'failures', 'errors', 'skipped']) if (got[k] !== expected[k]) problem += ` ${k} ${got[k]}, want ${expected[k]};`
      if (expected.text && !String(got.text).includes(expected.text)) problem += ` text ${JSON.stringify(got.text)}`
    } catch (e) {
      problem = ' ' + e.message
    }
    problem ? failed++ : passed++
    if (problem) console.log(`${name}: ${golden}.xml:${problem}`)
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
