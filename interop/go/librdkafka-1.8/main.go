// librdkafka of 2021 (v1.8.2, in the form confluent-kafka-go ships it) against a broker: an idempotent producer with every
// compression, a group that commits and resumes.
//
//	librdkafka-1.8 BOOTSTRAP TOPIC
//
// Exits non-zero with what was wrong; prints the version it ran as its last line when all went well.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

const perCodec = 300

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

func check(condition bool, what string, arguments ...any) {
	if !condition {
		fmt.Fprintf(os.Stderr, "librdkafka: "+what+"\n", arguments...)
		os.Exit(1)
	}
}

func produce(topic string) map[string]string {
	sent := map[string]string{}
	for _, codec := range codecs {
		producer, err := kafka.NewProducer(&kafka.ConfigMap{
			"bootstrap.servers": os.Args[1], "compression.type": codec, "enable.idempotence": true, "linger.ms": 5,
		})
		check(err == nil, "%v", err)
		reports := make(chan kafka.Event, perCodec)
		for number := 0; number < perCodec; number++ {
			err := producer.Produce(&kafka.Message{
				TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
				Key:            []byte(fmt.Sprintf("key %d", number%7)),
				Value:          []byte(fmt.Sprintf("%s %d %0500d", codec, number, 0)),
				Headers:        []kafka.Header{{Key: "codec", Value: []byte(codec)}},
			}, reports)
			check(err == nil, "produce: %v", err)
		}
		for number := 0; number < perCodec; number++ {
			select {
			case event := <-reports:
				record := event.(*kafka.Message)
				check(record.TopicPartition.Error == nil, "refused: %v", record.TopicPartition.Error)
				sent[fmt.Sprint(record.TopicPartition.Partition, record.TopicPartition.Offset)] = string(record.Value)
			case <-time.After(30 * time.Second):
				check(false, "%d of %d records acknowledged within 30 s", number, perCodec)
			}
		}
		producer.Close()
	}
	return sent
}

func read(topic string, count int, seen map[string]string) {
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": os.Args[1], "group.id": "group-" + topic, "auto.offset.reset": "earliest",
		"enable.auto.commit": false,
	})
	check(err == nil, "%v", err)
	check(consumer.SubscribeTopics([]string{topic}, nil) == nil, "subscribe was refused")
	for got := 0; got < count; got++ {
		record, err := consumer.ReadMessage(30 * time.Second)
		check(err == nil, "after %d of %d records: %v", got, count, err)
		at := fmt.Sprint(record.TopicPartition.Partition, record.TopicPartition.Offset)
		_, twice := seen[at]
		check(!twice, "the record at %s came twice", at)
		check(len(record.Headers) == 1, "other headers")
		seen[at] = string(record.Value)
	}
	_, err = consumer.Commit()
	check(err == nil, "commit: %v", err)
	consumer.Close()
}

func main() {
	topic := os.Args[2]
	sent := produce(topic)
	check(len(sent) == perCodec*len(codecs), "%d places for the records", len(sent))
	seen := map[string]string{}
	read(topic, 400, seen)
	read(topic, len(sent)-400, seen)
	for at, value := range sent {
		check(seen[at] == value, "another value at %s", at)
	}
	_, version := kafka.LibraryVersion()
	fmt.Printf("librdkafka %s\n", version)
}
