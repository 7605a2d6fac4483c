// Package eventstest is what tests of events stand on: an embedded broker, and a real Kafka where Java and Maven are.
package eventstest
