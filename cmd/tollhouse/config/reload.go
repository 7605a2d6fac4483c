package config

import "reflect"

// fixed is what a process keeps from its start to its end: its addresses, its identity, its storage, and what its connections were
// made with.
var fixed = []struct {
	path string
	at   func(*Config) any
}{
	{"gateway.listen", func(c *Config) any { return &c.Gateway.Listen }},
	{"gateway.admin", func(c *Config) any { return &c.Gateway.Admin }},
	{"gateway.admin_key", func(c *Config) any { return &c.Gateway.AdminKey }}, // it may go only together with the address it guards
	{"gateway.id", func(c *Config) any { return &c.Gateway.ID }},
	{"gateway.timeouts.header", func(c *Config) any { return &c.Gateway.Timeouts.Header }},
	{"gateway.timeouts.idle", func(c *Config) any { return &c.Gateway.Timeouts.Idle }},
	{"log.format", func(c *Config) any { return &c.Log.Format }},
	{"data_dir", func(c *Config) any { return &c.DataDir }},
	{"journal.sync", func(c *Config) any { return &c.Journal.Sync }},
	{"journal.max_bytes", func(c *Config) any { return &c.Journal.MaxBytes }},
	{"journal.when_full", func(c *Config) any { return &c.Journal.WhenFull }},
	{"embedded.broker", func(c *Config) any { return &c.Embedded.Broker }},
	{"embedded.warehouse", func(c *Config) any { return &c.Embedded.Warehouse }},
	{"kafka", func(c *Config) any { return &c.Kafka }},
	{"clickhouse", func(c *Config) any { return &c.ClickHouse }},
	{"prices.file", func(c *Config) any { return &c.Prices.File }},
}

// KeepFixed puts back what cannot change under a process that was started with `started`, and names it.
func (c *Config) KeepFixed(started *Config) (needRestart []string) {
	for _, f := range fixed {
		now, was := reflect.ValueOf(f.at(c)).Elem(), reflect.ValueOf(f.at(started)).Elem()
		if !reflect.DeepEqual(now.Interface(), was.Interface()) {
			needRestart = append(needRestart, f.path)
			now.Set(was)
		}
	}
	if (c.Gateway.TLS.Cert == "") != (started.Gateway.TLS.Cert == "") { // another certificate is another matter
		needRestart = append(needRestart, "gateway.tls")
		c.Gateway.TLS = started.Gateway.TLS
	}
	return needRestart
}
