/** Styles that a page imports: esbuild gathers them beside its script. */
declare module '*.css';
