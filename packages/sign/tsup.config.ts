import { door } from '../../scripts/tsup-door.js';

// verify-worker.js is no door: verifyPackageFiles starts its threads with it.
export default door(['index', 'node', 'verify-worker'], ['curves', 'pure-hashes']);
