-- The jobs of one lane in the order of time: store/queue asks lane by lane, so
-- that ten thousand jobs of a lane that stands still are never read to find
-- the one behind them.

-- +goose Up
CREATE INDEX job_lane ON job (kind, lane, next) WHERE done = 0 AND held = 0;

-- +goose Down
DROP INDEX job_lane;
