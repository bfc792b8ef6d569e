package message_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/storetest"
)

// waiting returns once a transaction waits for another's lock.
func (v *vault) waiting() {
	v.Helper()
	done := make(chan struct{}) // the caller is inside a transaction, which this must not be
	defer func() { <-done }()
	go func() {
		defer close(done)
		for {
			var n int
			v.must(v.DB.Read(context.Background(), func(tx *store.Tx) error {
				return tx.QueryRow(context.Background(), `SELECT count(*) FROM pg_locks WHERE NOT granted`).Scan(&n)
			}))
			if n > 0 {
				return
			}
		}
	}()
}

func TestASweepThatWaitedForARecallGoesOn(t *testing.T) {
	v := newVault(t, storetest.Open(t, storetest.Postgres(t)))
	ctx := context.Background()
	a := v.whole([]byte("a"))
	v.whole([]byte("b"))
	v.now = v.now.Add(time.Hour)
	t.Parallel()
	swept := make(chan error, 1)
	n := 0
	v.must(v.DB.Write(ctx, func(tx *store.Tx) error {
		if err := v.Delete(ctx, tx, a); err != nil {
			return err
		}
		go func() {
			var err error
			n, err = v.Sweep(ctx, time.Minute)
			swept <- err
		}()
		v.waiting()
		return nil
	}))
	if err := <-swept; err != nil || n != 1 {
		t.Errorf("%d swept, want the other one: %v", n, err)
	}
}

func TestWhatIsKeptIsNotSwept(t *testing.T) {
	v := newVault(t, storetest.Open(t, storetest.Postgres(t)))
	ctx := context.Background()
	a := v.whole([]byte("a"))
	v.now = v.now.Add(time.Hour)
	t.Parallel()
	swept := make(chan error, 1)
	v.must(v.DB.Write(ctx, func(tx *store.Tx) error {
		if err := v.Keep(ctx, tx, a); err != nil {
			return err
		}
		if err := name(ctx, tx, a); err != nil {
			return err
		}
		go func() { _, err := v.Sweep(ctx, time.Minute); swept <- err }()
		v.waiting()
		return nil
	}))
	if err := <-swept; err != nil {
		t.Error(err)
	}
	if _, err := v.Get(ctx, a); errors.Is(err, store.ErrNoRows) {
		t.Error("a message named under its lock was swept")
	}
}
