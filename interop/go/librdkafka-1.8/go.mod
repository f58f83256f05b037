module weir.invalid/interop/librdkafka

go 1.22

require github.com/confluentinc/confluent-kafka-go v1.8.2
