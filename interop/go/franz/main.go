// franz-go against a broker: an idempotent producer with every compression, keys, headers and times; a group that commits
// and resumes; the admin package's listing.
//
//	franz BOOTSTRAP TOPIC
//
// Exits non-zero with what was wrong; prints the version it ran as its last line when all went well.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 3
	perCodec   = 300
	t0         = 1_700_000_000_000
)

func check(condition bool, what string, arguments ...any) {
	if !condition {
		fmt.Fprintf(os.Stderr, "franz-go: "+what+"\n", arguments...)
		os.Exit(1)
	}
}

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append(options, kgo.SeedBrokers(os.Args[1]))...)
	check(err == nil, "%v", err)
	return made
}

type place struct {
	partition int32
	offset    int64
}

func produce(ctx context.Context, topic string) map[place]string {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	sent := map[place]string{}
	for name, codec := range codecs {
		producer := client(kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(5*time.Millisecond))
		records := make([]*kgo.Record, perCodec)
		for number := range records {
			records[number] = &kgo.Record{
				Topic:     topic,
				Key:       fmt.Appendf(nil, "key %d", number%13),
				Value:     fmt.Appendf(nil, "%s %d %0500d", name, number, 0),
				Headers:   []kgo.RecordHeader{{Key: "codec", Value: []byte(name)}},
				Timestamp: time.UnixMilli(t0 + int64(number)),
			}
		}
		for _, result := range producer.ProduceSync(ctx, records...) {
			check(result.Err == nil, "produce with %s: %v", name, result.Err)
			at := place{result.Record.Partition, result.Record.Offset}
			_, twice := sent[at]
			check(!twice, "two records were given the place %v", at)
			sent[at] = string(result.Record.Value)
		}
		producer.Close()
	}
	return sent
}

func read(ctx context.Context, topic string, count int, seen map[place]string) {
	consumer := client(kgo.ConsumeTopics(topic), kgo.ConsumerGroup("group-"+topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer consumer.Close()
	var taken []*kgo.Record
	for len(taken) < count {
		fetches := consumer.PollRecords(ctx, count-len(taken))
		check(ctx.Err() == nil, "%d of %d records came in time", len(taken), count)
		fetches.EachError(func(_ string, _ int32, err error) { check(false, "fetch: %v", err) })
		taken = append(taken, fetches.Records()...)
	}
	for _, record := range taken {
		at := place{record.Partition, record.Offset}
		_, twice := seen[at]
		check(!twice, "the record at %v came twice", at)
		seen[at] = string(record.Value)
		check(len(record.Headers) == 1 && record.Timestamp.UnixMilli() >= t0 && record.Timestamp.UnixMilli() < t0+perCodec,
			"other headers or another time at %v", at)
	}
	check(consumer.CommitRecords(ctx, taken...) == nil, "the commit was refused")
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	topic := os.Args[2]
	admin := kadm.NewClient(client())
	defer admin.Close()
	_, err := admin.CreateTopic(ctx, partitions, 1, nil, topic)
	check(err == nil, "create: %v", err)

	sent := produce(ctx, topic)
	check(len(sent) == 5*perCodec, "%d records sent", len(sent))
	seen := map[place]string{}
	read(ctx, topic, 500, seen)
	read(ctx, topic, len(sent)-500, seen)
	for at, value := range sent {
		check(seen[at] == value, "another value at %v", at)
	}

	ends, err := admin.ListEndOffsets(ctx, topic)
	check(err == nil, "list offsets: %v", err)
	var end int64
	ends.Each(func(offset kadm.ListedOffset) { end += offset.Offset })
	lag, err := admin.Lag(ctx, "group-"+topic)
	check(err == nil && lag.Error() == nil, "lag: %v %v", err, lag.Error())
	check(int(end) == len(sent) && lag["group-"+topic].Lag.Total() == 0, "ends add up to %d, lag is %d", end, lag["group-"+topic].Lag.Total())

	version := "?"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "github.com/twmb/franz-go" {
				version = module.Version
			}
		}
	}
	fmt.Printf("franz-go %s\n", version)
}
