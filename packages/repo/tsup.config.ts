import { door } from '../../scripts/tsup-door.js';

// worker.js is no door: createRepository starts its threads with it.
export default door(['index', 'node', 'worker'], ['yaml']);
