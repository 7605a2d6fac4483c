// Package config is the configuration as its file has it: structs, defaults, expansion and validation. It imports nothing of
// Tollhouse; the wiring turns it into what the parts take.
package config

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is a whole configuration.
type Config struct {
	Gateway    Gateway         `yaml:"gateway"`
	Limits     Limits          `yaml:"limits"`
	Log        Log             `yaml:"log"`
	DataDir    string          `yaml:"data_dir"`
	Journal    Journal         `yaml:"journal"`
	Embedded   Embedded        `yaml:"embedded"`
	Kafka      *Kafka          `yaml:"kafka"`
	ClickHouse *ClickHouse     `yaml:"clickhouse"`
	Prices     Prices          `yaml:"prices"`
	Registries []Registry      `yaml:"registries"`
	Pools      map[string]Pool `yaml:"pools"`
	Consumers  []Consumer      `yaml:"consumers"`
}

// Gateway is where it listens, and who it is.
type Gateway struct {
	Listen   string          `yaml:"listen"`
	Admin    string          `yaml:"admin"`
	AdminKey Secret          `yaml:"admin_key"`
	ID       string          `yaml:"id"`
	TLS      TLS             `yaml:"tls"`
	CORS     []string        `yaml:"cors"`
	Grace    Duration        `yaml:"grace"`
	Timeouts GatewayTimeouts `yaml:"timeouts"`
}

// TLS names the files of a certificate and its key.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// GatewayTimeouts bound what a client may take.
type GatewayTimeouts struct {
	Header Duration `yaml:"header"`
	Body   Duration `yaml:"body"`
	Write  Duration `yaml:"write"`
	Idle   Duration `yaml:"idle"`
}

// Limits of one request and of all.
type Limits struct {
	RequestBody  Size `yaml:"request_body"`
	ResponseBody Size `yaml:"response_body"`
	StreamEvent  Size `yaml:"stream_event"`
	InFlight     int  `yaml:"in_flight"`
	Labels       int  `yaml:"labels"`
}

// Log is how it logs.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// SlogLevel returns the level.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(l.Level)) // validated before
	return level
}

// Journal is the local write-ahead log.
type Journal struct {
	Sync     string `yaml:"sync"`
	MaxBytes Size   `yaml:"max_bytes"`
	WhenFull string `yaml:"when_full"`
}

// Embedded is where the embedded parts listen.
type Embedded struct {
	Broker    string `yaml:"broker"`
	Warehouse string `yaml:"warehouse"`
}

// Kafka is a cluster; absent, `up` starts the embedded broker.
type Kafka struct {
	Brokers     []string `yaml:"brokers"`
	Topic       string   `yaml:"topic"`
	Partitions  int      `yaml:"partitions"`
	Replication int      `yaml:"replication"`
	TLS         KafkaTLS `yaml:"tls"`
	SASL        SASL     `yaml:"sasl"`
}

// KafkaTLS of the connections to a cluster.
type KafkaTLS struct {
	Enabled bool   `yaml:"enabled"`
	CA      string `yaml:"ca"`
	Cert    string `yaml:"cert"`
	Key     string `yaml:"key"`
}

// SASL is how the connections to a cluster authenticate.
type SASL struct {
	Mechanism string `yaml:"mechanism"` // plain, scram-sha-256, scram-sha-512; empty: none
	Username  string `yaml:"username"`
	Password  Secret `yaml:"password"`
}

// ClickHouse is a server; absent, `up` starts the embedded engine.
type ClickHouse struct {
	DSN Secret `yaml:"dsn"`
}

// Prices names a catalogue; empty: the built-in one.
type Prices struct {
	File string `yaml:"file"`
}

// Registry is one upstream account.
type Registry struct {
	Name      string            `yaml:"name"`
	Provider  string            `yaml:"provider"`
	Models    []string          `yaml:"models"`
	ModelMap  map[string]string `yaml:"model_map"`
	Balance   string            `yaml:"balance"`
	Endpoints []Endpoint        `yaml:"endpoints"`
	Timeouts  Timeouts          `yaml:"timeouts"`
	// Queue is how many requests may wait for a permit; absent: 1,000.
	Queue *int `yaml:"queue"`
	// RetryShare is how many retries a success pays for; absent: 0.2.
	RetryShare float64           `yaml:"retry_share"`
	Options    map[string]string `yaml:"-"` // every other key, for the provider to know or refuse
}

// Endpoint is one base URL and credential.
type Endpoint struct {
	Name           string            `yaml:"name"`
	BaseURL        string            `yaml:"base_url"`
	APIKey         Secret            `yaml:"api_key"`
	Weight         int               `yaml:"weight"`
	MaxConcurrency int               `yaml:"max_concurrency"`
	Headers        map[string]string `yaml:"headers"`
	Timeouts       Timeouts          `yaml:"timeouts"`
	Options        map[string]string `yaml:"-"`
}

// Timeouts bound one attempt.
type Timeouts struct {
	Connect   Duration `yaml:"connect"`
	FirstByte Duration `yaml:"first_byte"`
	Idle      Duration `yaml:"idle"`
	Total     Duration `yaml:"total"`
}

// Pool is a weighted set of registries.
type Pool struct {
	Balance string   `yaml:"balance"`
	Members []Member `yaml:"members"`
}

// Member is one registry of a pool.
type Member struct {
	Registry string `yaml:"registry"`
	Weight   int    `yaml:"weight"`
}

// Consumer is one calling application.
type Consumer struct {
	Name         string            `yaml:"name"`
	Keys         []Secret          `yaml:"keys"`
	Labels       map[string]string `yaml:"labels"`
	Models       ModelPolicy       `yaml:"models"`
	Pool         PoolRef           `yaml:"pool"`
	Fallback     []Fallback        `yaml:"fallback"`
	Retry        Retry             `yaml:"retry"`
	Hedge        *Hedge            `yaml:"hedge"`
	Translation  string            `yaml:"translation"`
	OnDisconnect string            `yaml:"on_disconnect"`
}

// ModelPolicy says what a consumer may ask for.
type ModelPolicy struct {
	Allow   []string          `yaml:"allow"`
	Default string            `yaml:"default"`
	Aliases map[string]string `yaml:"aliases"`
}

// PoolRef is a pool's name, or its members in place.
type PoolRef struct {
	Name    string
	Members []Member
}

// Fallback is one link of the chain behind the pool.
type Fallback struct {
	Registry string            `yaml:"registry"`
	Model    string            `yaml:"model"`
	ModelMap map[string]string `yaml:"model_map"`
	On       []string          `yaml:"on"`
}

// Retry bounds the attempts of one request.
type Retry struct {
	MaxAttempts int      `yaml:"max_attempts"`
	Budget      Duration `yaml:"budget"`
	On          []string `yaml:"on"`
}

// Hedge lets a second attempt run beside one that takes long; absent: never.
type Hedge struct {
	Share   float64 `yaml:"share"`
	MaxCost Amount  `yaml:"max_cost"`
}

// Amount is of money, in 10⁻¹² of the currency, read as a decimal: "0.02".
type Amount uint64

// UnmarshalYAML reads it.
func (a *Amount) UnmarshalYAML(text []byte) error {
	whole, places, _ := strings.Cut(scalar(text), ".")
	const most = 12
	if len(places) > most || len(whole)+len(places) == 0 {
		return fmt.Errorf("wants an amount such as 0.02, with at most %d places", most)
	}
	n, err := strconv.ParseUint(whole+places+strings.Repeat("0", most-len(places)), 10, 64)
	if err != nil {
		return fmt.Errorf("wants an amount such as 0.02, with at most %d places", most)
	}
	*a = Amount(n)
	return nil
}

// Secret is a value that prints as [secret].
type Secret string

// String hides the value.
func (Secret) String() string { return "[secret]" }

// GoString hides the value.
func (Secret) GoString() string { return "[secret]" }

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// Duration is a time as Go writes it: 30s, 1h30m.
type Duration time.Duration

// Duration returns it as Go's type.
func (d Duration) Duration() time.Duration { return time.Duration(d) }

// UnmarshalYAML reads it.
func (d *Duration) UnmarshalYAML(text []byte) error {
	v, err := time.ParseDuration(scalar(text))
	if err != nil {
		return fmt.Errorf("wants a duration such as 30s or 5m")
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes: 512, 64KiB, 32MiB, 8GiB.
type Size int64

// UnmarshalYAML reads it.
func (s *Size) UnmarshalYAML(text []byte) error {
	value := scalar(text)
	unit := int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} {
		if rest, ok := strings.CutSuffix(value, suffix); ok {
			value, unit = rest, n
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("wants a size such as 32MiB")
	}
	*s = Size(n * unit)
	return nil
}

func scalar(text []byte) string { return strings.Trim(strings.TrimSpace(string(text)), `"'`) }

// Default is the configuration of an empty file.
func Default() *Config {
	return &Config{
		Gateway: Gateway{
			Listen: "127.0.0.1:8080", Admin: "127.0.0.1:8081", ID: "gw-1", Grace: Duration(30 * time.Second),
			Timeouts: GatewayTimeouts{
				Header: Duration(10 * time.Second), Body: Duration(60 * time.Second),
				Write: Duration(30 * time.Second), Idle: Duration(120 * time.Second),
			},
		},
		Limits:   Limits{RequestBody: 32 << 20, ResponseBody: 64 << 20, StreamEvent: 16 << 20, InFlight: 10_000, Labels: 16},
		Log:      Log{Level: "info", Format: "text"},
		DataDir:  "./.tollhouse",
		Journal:  Journal{Sync: "batch", MaxBytes: 8 << 30, WhenFull: "refuse"},
		Embedded: Embedded{Broker: "127.0.0.1:9092", Warehouse: "127.0.0.1:8123"},
	}
}

// Defaults of what stands many times.
const (
	defaultTopic       = "tollhouse.events"
	defaultMaxAttempts = 4
	defaultBudget      = Duration(30 * time.Second)
)

var (
	defaultRetryOn = []string{"http_5xx", "http_429", "timeout", "transport", "provider_error"}
	fallbackOn     = append(slices.Clone(defaultRetryOn), "not_found", "content_filter", "unavailable")
)

// fill gives what stands many times its defaults.
func (c *Config) fill() {
	if c.Kafka != nil && c.Kafka.Topic == "" {
		c.Kafka.Topic = defaultTopic
	}
	for i := range c.Registries {
		for k := range c.Registries[i].Endpoints {
			e := &c.Registries[i].Endpoints[k]
			if e.Weight == 0 {
				e.Weight = 1
			}
			if e.Name == "" {
				e.Name = strconv.Itoa(k + 1)
			}
		}
	}
	for name, p := range c.Pools {
		fillMembers(p.Members)
		c.Pools[name] = p
	}
	for i := range c.Consumers {
		k := &c.Consumers[i]
		fillMembers(k.Pool.Members)
		if k.Retry.MaxAttempts == 0 {
			k.Retry.MaxAttempts = defaultMaxAttempts
		}
		if k.Retry.Budget == 0 {
			k.Retry.Budget = defaultBudget
		}
		if k.Retry.On == nil {
			k.Retry.On = defaultRetryOn
		}
	}
}

func fillMembers(members []Member) {
	for i := range members {
		if members[i].Weight == 0 {
			members[i].Weight = 1
		}
	}
}
