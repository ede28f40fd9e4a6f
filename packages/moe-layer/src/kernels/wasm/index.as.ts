export { dispatchRows, combineRows } from './rows.as';
