/** `jsnext:main` of leancloud-realtime 4.3.1 leads to sources that only its own build takes. */
export default { resolve: { mainFields: ['browser', 'main'] } };
