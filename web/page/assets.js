// Where the module and the worker's script come from: files beside the page, or, in the single page, texts
// that it holds, since browsers refuse a page from a disk both fetch and workers of files.

export function assetsOf() {
  const inlined = self.EXPLORER_MODULE !== undefined;
  let bytes;
  return {
    async module() {
      if (!bytes) {
        bytes = inlined ? Uint8Array.from(atob(self.EXPLORER_MODULE), (c) => c.charCodeAt(0)).buffer
          : await fetched('engine.wasm');
      }
      return bytes;
    },
    worker() {
      if (!inlined) return new Worker('worker.js', { type: 'module' });
      const url = URL.createObjectURL(new Blob([self.EXPLORER_WORKER], { type: 'text/javascript' }));
      return new Worker(url);
    },
  };
}

async function fetched(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name} could not be fetched: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}
