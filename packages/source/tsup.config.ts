import { door } from '../../scripts/tsup-door.js';

export default door(['index'], ['yaml']);
