// Svelte 5 reads TypeScript in components by itself; svelte-check looks for this file.
export default {};
