// node wasi.js program.wasm: runs a program of clang --target=wasm32-wasi
const { WASI } = require('wasi'), program = require('fs').readFileSync(process.argv[2]);
const wasi = new WASI({ version: 'preview1', args: process.argv.slice(2) });
WebAssembly.instantiate(program, { wasi_snapshot_preview1: wasi.wasiImport })
    .then(made => process.exit(wasi.start(made.instance)));
