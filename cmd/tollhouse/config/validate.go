package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// checker gathers everything that is wrong.
type checker struct{ wrong []error }

func (k *checker) check(ok bool, path, format string, args ...any) {
	if !ok {
		k.wrong = append(k.wrong, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
}

func (k *checker) oneOf(path, value string, allowed ...string) {
	k.check(slices.Contains(allowed, value), path, "%q is not one of %s", value, strings.Join(allowed, ", "))
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (k *checker) name(path, value string) {
	k.check(namePattern.MatchString(value), path, "%q is not a name: up to 64 letters, digits, dots, dashes and underscores", value)
}

func loopback(listen string) (ok, is bool) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false, false
	}
	if host == "localhost" {
		return true, true
	}
	addr, err := netip.ParseAddr(host)
	return true, err == nil && addr.IsLoopback()
}

func (k *checker) listen(path, value string, mustLoopback bool, why string) {
	ok, is := loopback(value)
	k.check(ok, path, "%q is not an address such as 127.0.0.1:8080", value)
	k.check(!ok || is || !mustLoopback, path, "%s", why)
}

func (c *Config) validate() []error {
	k := &checker{}
	k.gateway(c)
	k.storage(c)
	registries := map[string]bool{}
	for i := range c.Registries {
		k.registry(fmt.Sprintf("registries[%d]", i), &c.Registries[i], registries)
	}
	for name, p := range c.Pools {
		k.name("pools."+name, name)
		k.oneOf("pools."+name+".balance", orDefault(p.Balance, "weighted"), policies...)
		k.members("pools."+name, p.Members, registries)
	}
	consumers, keys := map[string]bool{}, map[string]string{}
	for i := range c.Consumers {
		k.consumer(fmt.Sprintf("consumers[%d]", i), &c.Consumers[i], c, registries, consumers, keys)
	}
	slices.SortFunc(k.wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return k.wrong
}

func orDefault(v, absent string) string {
	if v == "" {
		return absent
	}
	return v
}

func (k *checker) gateway(c *Config) {
	g := &c.Gateway
	k.listen("gateway.listen", g.Listen, false, "")
	k.listen("gateway.admin", g.Admin, g.AdminKey == "", "off loopback the admin side needs gateway.admin_key")
	k.name("gateway.id", g.ID)
	k.check((g.TLS.Cert == "") == (g.TLS.Key == ""), "gateway.tls", "cert and key go together")
	k.check(g.Grace >= 0, "gateway.grace", "cannot be negative")
	for name, d := range map[string]Duration{
		"header": g.Timeouts.Header, "body": g.Timeouts.Body, "write": g.Timeouts.Write, "idle": g.Timeouts.Idle,
	} {
		k.check(d > 0, "gateway.timeouts."+name, "must be above zero")
	}
	for name, n := range map[string]int64{
		"request_body": int64(c.Limits.RequestBody), "response_body": int64(c.Limits.ResponseBody),
		"stream_event": int64(c.Limits.StreamEvent), "in_flight": int64(c.Limits.InFlight), "labels": int64(c.Limits.Labels),
	} {
		k.check(n > 0, "limits."+name, "must be above zero")
	}
	k.check(c.Limits.Labels <= 64, "limits.labels", "at most 64: an event holds them all")
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "text", "json")
}

// minJournal is four segments.
const minJournal = 64 << 20

func (k *checker) storage(c *Config) {
	k.check(c.DataDir != "", "data_dir", "must be given")
	k.oneOf("journal.sync", c.Journal.Sync, "batch", "always", "none")
	k.oneOf("journal.when_full", c.Journal.WhenFull, "refuse", "serve")
	k.check(c.Journal.MaxBytes >= minJournal, "journal.max_bytes", "at least 64MiB")
	k.listen("embedded.broker", c.Embedded.Broker, true, "the embedded broker has no users; it listens on loopback only")
	k.listen("embedded.warehouse", c.Embedded.Warehouse, true, "the embedded engine has no users; it listens on loopback only")
	if kafka := c.Kafka; kafka != nil {
		k.check(len(kafka.Brokers) > 0, "kafka.brokers", "at least one host:port")
		for i, b := range kafka.Brokers {
			_, _, err := net.SplitHostPort(b)
			k.check(err == nil, fmt.Sprintf("kafka.brokers[%d]", i), "%q is not host:port", b)
		}
		k.check(kafka.Partitions >= 0 && kafka.Replication >= 0, "kafka", "partitions and replication cannot be negative")
		k.oneOf("kafka.sasl.mechanism", orDefault(kafka.SASL.Mechanism, "none"), "none", "plain", "scram-sha-256", "scram-sha-512")
		k.check((kafka.TLS.Cert == "") == (kafka.TLS.Key == ""), "kafka.tls", "cert and key go together")
	}
	if c.ClickHouse != nil {
		u, err := url.Parse(c.ClickHouse.DSN.Reveal())
		ok := err == nil && u.Host != "" && slices.Contains([]string{"clickhouse", "http", "https", "tcp"}, u.Scheme)
		k.check(ok, "clickhouse.dsn", "wants clickhouse://host:9000/database or http://host:8123/database")
	}
}

// policies are what endpoints and registries are balanced by.
var policies = []string{"weighted", "round_robin", "least_busy", "latency", "cost", "affinity"}

func (k *checker) registry(at string, r *Registry, seen map[string]bool) {
	k.name(at+".name", r.Name)
	k.check(!seen[r.Name], at+".name", "%q is given twice", r.Name)
	seen[r.Name] = true
	k.check(r.Provider != "", at+".provider", "must be given")
	k.oneOf(at+".balance", orDefault(r.Balance, "weighted"), policies...)
	k.globs(at+".models", r.Models)
	k.check(len(r.Endpoints) > 0, at+".endpoints", "at least one")
	k.timeouts(at, r.Timeouts)
	k.check(r.Queue == nil || *r.Queue >= 0 && *r.Queue <= maxQueue, at+".queue", "from 0 to %d", maxQueue)
	k.check(r.RetryShare >= 0 && r.RetryShare <= 1, at+".retry_share", "from 0 to 1: retries for each success; 0 is the default")
	names := map[string]bool{}
	for i, e := range r.Endpoints {
		at := fmt.Sprintf("%s.endpoints[%d]", at, i)
		k.name(at+".name", e.Name)
		k.check(!names[e.Name], at+".name", "%q is given twice", e.Name)
		names[e.Name] = true
		k.check(e.Weight > 0, at+".weight", "must be above zero")
		k.check(e.MaxConcurrency >= 0, at+".max_concurrency", "cannot be negative")
		k.timeouts(at, e.Timeouts)
	}
}

// maxQueue bounds what waits for a permit.
const maxQueue = 100_000

func (k *checker) timeouts(at string, t Timeouts) {
	for name, d := range map[string]Duration{"connect": t.Connect, "first_byte": t.FirstByte, "idle": t.Idle, "total": t.Total} {
		k.check(d >= 0, at+".timeouts."+name, "cannot be negative")
	}
}

func (k *checker) globs(at string, globs []string) {
	for i, g := range globs {
		_, err := path.Match(g, "")
		k.check(err == nil && g != "", fmt.Sprintf("%s[%d]", at, i), "%q is not a pattern", g)
	}
}

func (k *checker) members(at string, members []Member, registries map[string]bool) {
	k.check(len(members) > 0, at+".members", "at least one")
	for i, m := range members {
		k.check(registries[m.Registry], fmt.Sprintf("%s.members[%d].registry", at, i), "there is no registry %q", m.Registry)
		k.check(m.Weight > 0, fmt.Sprintf("%s.members[%d].weight", at, i), "must be above zero")
	}
}

func (k *checker) consumer(at string, c *Consumer, all *Config, registries, seen map[string]bool, keys map[string]string) {
	k.name(at+".name", c.Name)
	k.check(!seen[c.Name], at+".name", "%q is given twice", c.Name)
	seen[c.Name] = true
	k.check(len(c.Keys) > 0, at+".keys", "at least one")
	for i, key := range c.Keys {
		at := fmt.Sprintf("%s.keys[%d]", at, i)
		k.key(at, key.Reveal())
		k.check(keys[key.Reveal()] == "", at, "the same key stands at %s", keys[key.Reveal()])
		keys[key.Reveal()] = at
	}
	k.check(len(c.Labels) <= all.Limits.Labels, at+".labels", "at most %d (limits.labels)", all.Limits.Labels)
	for name, value := range c.Labels {
		k.check(len(name) <= 64 && len(value) <= 256 && name != "", at+".labels."+name, "a name has at most 64 bytes, a value 256")
		k.check(!strings.ContainsFunc(name+value, unicode.IsControl), at+".labels."+name, "no control characters")
	}
	k.globs(at+".models.allow", c.Models.Allow)
	if c.Pool.Name != "" {
		_, ok := all.Pools[c.Pool.Name]
		k.check(ok, at+".pool", "there is no pool %q", c.Pool.Name)
	} else {
		k.members(at+".pool", c.Pool.Members, registries)
	}
	for i, f := range c.Fallback {
		at := fmt.Sprintf("%s.fallback[%d]", at, i)
		k.check(registries[f.Registry], at+".registry", "there is no registry %q", f.Registry)
		for i, on := range f.On {
			k.oneOf(fmt.Sprintf("%s.on[%d]", at, i), on, fallbackOn...)
		}
	}
	k.check(c.Retry.MaxAttempts > 0 && c.Retry.MaxAttempts <= 100, at+".retry.max_attempts", "from 1 to 100")
	k.check(c.Retry.Budget > 0, at+".retry.budget", "must be above zero")
	for i, on := range c.Retry.On {
		k.oneOf(fmt.Sprintf("%s.retry.on[%d]", at, i), on, defaultRetryOn...)
	}
	if c.Hedge != nil {
		k.check(c.Hedge.Share > 0 && c.Hedge.Share <= 1, at+".hedge.share", "above 0, up to 1: hedges for each request")
	}
	k.oneOf(at+".translation", orDefault(c.Translation, "strict"), "strict", "lenient")
	k.oneOf(at+".on_disconnect", orDefault(c.OnDisconnect, "cancel"), "cancel", "drain")
}

var hashPattern = regexp.MustCompile(`^sha256:[0-9a-fA-F]{64}$`)

// minKey keeps keys from being guessed.
const minKey = 16

func (k *checker) key(at, key string) {
	if strings.HasPrefix(key, "sha256:") {
		k.check(hashPattern.MatchString(key), at, "sha256: wants 64 hex digits")
		return
	}
	k.check(len(key) >= minKey, at, "a key has at least %d characters", minKey)
	k.check(strings.TrimSpace(key) == key, at, "a key has no space around it")
}
