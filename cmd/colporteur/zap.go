package main

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// zapTo brings a library's warnings into our log. Of their fields it takes those
// named in zapFields: whatever else a library may write down, keys and tokens
// among it, stays out.
type zapTo struct {
	log  *slog.Logger
	with []zapcore.Field
}

var zapFields = map[string]string{"identifier": "host", "error": "err", "remote": "ip", "remote_addr": "ip",
	"issuer": "issuer", "attempt": "attempt", "retrying_in": "pause"}

func (z zapTo) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (z zapTo) With(fields []zapcore.Field) zapcore.Core {
	z.with = append(z.with[:len(z.with):len(z.with)], fields...)
	return z
}

func (z zapTo) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(e.Level) {
		return ce.AddCore(e, z)
	}
	return ce
}

func (z zapTo) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	var out []any
	for _, f := range append(z.with[:len(z.with):len(z.with)], fields...) {
		if key, ok := zapFields[f.Key]; ok {
			f.AddTo(values)
			out = append(out, key, values.Fields[f.Key])
		}
	}
	z.log.Log(context.Background(), slog.LevelWarn, "acme: "+e.Message, out...)
	return nil
}

func (z zapTo) Sync() error { return nil }
