// The Java client, of any version from 2.8 on, against a broker: an idempotent producer with every compression, keys,
// headers and times; a group that commits and resumes; the admin client's describe and list.
//
//     java -cp JARS Client BOOTSTRAP TOPIC
//
// Exits non-zero with what was wrong; prints the version it ran as its last line when all went well.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.AppInfoParser;

public final class Client {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final int PARTITIONS = 3;
    private static final int PER_CODEC = 300;
    private static final long T0 = 1_700_000_000_000L;

    private final String bootstrap;
    private final String topic;
    private final Map<String, String> sent = new HashMap<>();

    private Client(String bootstrap, String topic) {
        this.bootstrap = bootstrap;
        this.topic = topic;
    }

    public static void main(String[] arguments) throws Exception {
        Client client = new Client(arguments[0], arguments[1]);
        client.create();
        client.produce();
        client.consume();
        client.describe();
        System.out.println("kafka-clients " + AppInfoParser.getVersion());
        System.exit(0);
    }

    private static void check(boolean condition, String what) {
        if (!condition) {
            System.err.println("kafka-clients " + AppInfoParser.getVersion() + ": " + what);
            System.exit(1);
        }
    }

    private Properties properties(String... pairs) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) {
            properties.put(pairs[i], pairs[i + 1]);
        }
        return properties;
    }

    private void create() throws Exception {
        try (Admin admin = Admin.create(properties())) {
            List<NewTopic> wanted = List.of(new NewTopic(topic, PARTITIONS, (short) 1));
            admin.createTopics(wanted).all().get(30, TimeUnit.SECONDS);
            try {
                admin.createTopics(wanted).all().get(30, TimeUnit.SECONDS);
                check(false, "creating the topic twice was accepted");
            } catch (ExecutionException refused) {
                check(refused.getCause() instanceof TopicExistsException, "creating twice gave " + refused);
            }
        }
    }

    private void produce() throws Exception {
        for (int codec = 0; codec < CODECS.length; codec++) {
            Properties properties = properties("acks", "all", "enable.idempotence", "true", "linger.ms", "5",
                "compression.type", CODECS[codec]);
            try (KafkaProducer<String, String> producer =
                     new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
                List<Future<RecordMetadata>> futures = new ArrayList<>();
                for (int number = 0; number < PER_CODEC; number++) {
                    ProducerRecord<String, String> record = new ProducerRecord<>(topic, null,
                        T0 + codec * 1000L + number, "key-" + number % 11, value(codec, number));
                    record.headers().add("codec", CODECS[codec].getBytes(StandardCharsets.UTF_8));
                    futures.add(producer.send(record));
                }
                for (int number = 0; number < PER_CODEC; number++) {
                    RecordMetadata metadata = futures.get(number).get(30, TimeUnit.SECONDS);
                    String before = sent.put(metadata.partition() + ":" + metadata.offset(), value(codec, number));
                    check(before == null, "two records were given the same place");
                }
            }
        }
    }

    private static String value(int codec, int number) {
        return CODECS[codec] + " " + number + " " + "z".repeat(600);
    }

    private void consume() {
        Map<String, String> seen = new HashMap<>();
        // A poll may give more than is still wanted: what it gave is committed all the same.
        read(400, seen);
        read(sent.size() - seen.size(), seen);
        check(seen.equals(sent), "what came back is not what was sent");
    }

    /** Reads at least that many records as a member of the group, commits and leaves. */
    private void read(int count, Map<String, String> seen) {
        Properties properties = properties("group.id", "group-" + topic, "auto.offset.reset", "earliest",
            "enable.auto.commit", "false", "max.poll.records", "100");
        try (KafkaConsumer<String, String> consumer =
                 new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            int got = 0;
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(40);
            while (got < count) {
                check(System.nanoTime() < deadline, got + " of " + count + " records came within 40 s");
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
                    String codec = new String(record.headers().lastHeader("codec").value(), StandardCharsets.UTF_8);
                    check(record.value().startsWith(codec + " "), "another header than was sent");
                    check(seen.put(record.partition() + ":" + record.offset(), record.value()) == null,
                        "a record came twice");
                    got++;
                }
            }
            consumer.commitSync();
            TopicPartition partition = new TopicPartition(topic, 0);
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, T0 + 3000)).get(partition);
            if (found != null) {
                check(sent.get("0:" + found.offset()).startsWith("lz4 "), "the position by time is " + found);
            }
            int partitions = consumer.partitionsFor(topic).size();
            check(partitions == PARTITIONS, "the topic has " + partitions + " partitions");
            check(consumer.beginningOffsets(List.of(partition)).get(partition) == 0, "the beginning is not 0");
        }
    }

    // `listConsumerGroups` is what exists in every version from 2.8 on.
    @SuppressWarnings({"deprecation", "removal"})
    private void describe() throws Exception {
        try (Admin admin = Admin.create(properties())) {
            String group = "group-" + topic;
            long committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()
                .get(30, TimeUnit.SECONDS).values().stream().mapToLong(offset -> offset.offset()).sum();
            check(committed == sent.size(), "committed offsets add up to " + committed + " of " + sent.size());
            check(admin.listConsumerGroups().all().get(30, TimeUnit.SECONDS).stream()
                .anyMatch(listed -> listed.groupId().equals(group)), "the group is not in the list");
            check(admin.describeCluster().nodes().get(30, TimeUnit.SECONDS).size() == 1, "not one node");
        }
    }
}
