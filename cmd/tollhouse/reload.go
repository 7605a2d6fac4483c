package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// pollEvery is how often the configuration's file is looked at. A change is taken once it stood unchanged for one more look, so that
// a file that is being written is not read by half.
const pollEvery = 500 * time.Millisecond

// reloader takes changes of the configuration's file over into a running gateway: whole or not at all.
type reloader struct {
	g       *gateway
	reloads *prometheus.CounterVec
	loaded  prometheus.Gauge

	tried   [sha256.Size]byte // the file as it was read last, well or not
	pending [sha256.Size]byte // as it was seen last
	missing bool

	mu     sync.Mutex
	status configStatus
}

// configStatus is what the admin side shows of the configuration.
type configStatus struct {
	File         string     `json:"file"`
	SHA256       string     `json:"sha256"` // of the file in use; its first 12 digits
	LoadedAt     time.Time  `json:"loaded_at"`
	NeedsRestart []string   `json:"needs_restart"` // keys whose values in the file are not those in use
	Refused      *refusedAt `json:"refused,omitempty"`
}

// refusedAt is a file that was read after the one in use, and not taken.
type refusedAt struct {
	At     time.Time `json:"at"`
	Errors []string  `json:"errors"`
}

func newReloader(g *gateway) *reloader {
	r := &reloader{
		g: g,
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_config_reloads_total", Help: "Times that the configuration was read anew, by result: ok or error.",
		}, []string{"result"}),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tollhouse_config_loaded_timestamp_seconds", Help: "When the configuration in use was read.",
		}),
	}
	g.reg.MustRegister(r.reloads, r.loaded)
	for _, result := range []string{resultOK, resultError} {
		r.reloads.WithLabelValues(result)
	}
	r.tried = sha256.Sum256(g.text)
	r.took(nil)
	return r
}

const (
	resultOK    = "ok"
	resultError = "error"
)

// run looks at the file, and listens for SIGHUP, until ctx ends.
func (r *reloader) run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.g.env.reload:
			r.asked()
		case <-tick.C:
			r.look()
		}
	}
}

// asked reads the file at once, also where it did not change: what it names may have.
func (r *reloader) asked() {
	if r.g.file == "" {
		r.g.log.Warn("SIGHUP: there is no configuration file to read anew")
		return
	}
	text, err := os.ReadFile(r.g.file)
	if err != nil {
		r.refuse(err)
		return
	}
	r.load(text)
}

// look takes the file if it changed. One that cannot be read is said once.
func (r *reloader) look() {
	if r.g.file == "" {
		return
	}
	text, err := os.ReadFile(r.g.file)
	if err != nil {
		if !r.missing {
			r.refuse(err)
		}
		r.missing, r.tried = true, [sha256.Size]byte{}
		return
	}
	r.missing = false
	now := sha256.Sum256(text)
	stands := now == r.pending
	r.pending = now
	if now != r.tried && stands {
		r.load(text)
	}
}

// load takes a text into use, or says everything that is wrong with it and changes nothing.
func (r *reloader) load(text []byte) {
	r.tried = sha256.Sum256(text)
	cfg, err := r.g.parse(text)
	if err != nil {
		r.refuse(err)
		return
	}
	next, err := prepare(cfg, r.g.set, r.g.snapshot.Load())
	if err != nil {
		r.refuse(err)
		return
	}
	needRestart := cfg.KeepFixed(r.g.started)
	if err := r.g.use(next); err != nil {
		if !errors.Is(err, errDraining) {
			r.refuse(err)
		}
		return
	}
	r.took(needRestart)
	r.g.log.Info("the configuration was read anew", "file", r.g.file, "registries", len(cfg.Registries), "consumers", len(cfg.Consumers))
	if len(needRestart) > 0 {
		r.g.log.Warn("changed values that need a restart; the rest is in use", "keys", strings.Join(needRestart, ", "))
	}
	r.reloads.WithLabelValues(resultOK).Inc() // last: who saw it counted sees its status, too
}

func (r *reloader) took(needRestart []string) {
	now := time.Now()
	r.loaded.Set(float64(now.UnixMilli()) / 1e3)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = configStatus{
		File: r.g.file, SHA256: hex.EncodeToString(r.tried[:6]), LoadedAt: now.UTC(), NeedsRestart: append([]string{}, needRestart...),
	}
}

func (r *reloader) refuse(err error) {
	lines := strings.Split(err.Error(), "\n")
	for _, line := range lines {
		r.g.log.Error("the configuration is not taken; the one in use stays", "file", r.g.file, "err", line)
	}
	r.mu.Lock()
	r.status.Refused = &refusedAt{At: time.Now().UTC(), Errors: lines}
	r.mu.Unlock()
	r.reloads.WithLabelValues(resultError).Inc()
}

// Status is what the admin side shows.
func (r *reloader) Status() any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}
