// Package kafka publishes to Kafka and subscribes to it: Watermill's Publisher and Subscriber over kafka-go, made for books
// that must close. The Publisher tells for each message whether Kafka has it. The Subscriber hands out many messages of
// a partition at once, shows offsets as they are, and never skips a record without saying so. It works under consumer
// group generations (and so commits only what its own generation was given), or without a group.
package kafka
