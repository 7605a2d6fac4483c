// Package events holds the facts of the gateway: what happened, in words that outlive the process.
//
// It owns usage, evidence, outcomes, finish reasons and the identity of every fact. It imports nothing of
// Tollhouse, so that the journal, Kafka, ClickHouse and the adapters can all speak its words.
package events
