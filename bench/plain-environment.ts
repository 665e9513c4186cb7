/**
 * Imported first by benchmarks of whole processes: takes out of the environment what makes Node itself start late here and not
 * elsewhere. NODE_EXTRA_CA_CERTS alone is 30 ms, in which Node reads certificates that nobody asks for.
 */
delete process.env.NODE_EXTRA_CA_CERTS;
delete process.env.NODE_OPTIONS;
