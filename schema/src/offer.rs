//! The fields of an offer: the one list that both services read, fetch, write and describe.

use direct_json::PlainFields;

use crate::{Id, Text, Timestamp, rows::table_object};

table_object! {
    offer hiding idempotency_key, fingerprint;
    /// A classified ad.
    #[graphql(name = "OfferFields")]
    pub struct Offer {
        /// The identifier of the offer.
        #[schema(value_type = i64, example = 1)]
        pub id: Id,
        /// The title, one line of 1 to 200 characters.
        #[schema(value_type = String, example = "Bicycle")]
        pub title: Text,
        /// The text, 1 to 20000 characters.
        #[schema(value_type = String, example = "Blue, hardly used.")]
        pub text: Text,
        /// The time of creation, in UTC.
        #[schema(value_type = chrono::DateTime<chrono::Utc>)]
        pub created_at: Timestamp,
        /// The identifier of the user who made the offer.
        #[schema(value_type = i64, required = true, example = 1)]
        #[serde(default)]
        pub user_id: Id,
    }
}

impl Offer {
    /// Returns the selection set that reads an offer from the other service.
    #[must_use]
    pub fn selection() -> String {
        Self::FIELDS.join(" ")
    }

    /// Returns the selection set for the offers of a user: all but the user, who is known.
    #[must_use]
    pub fn selection_of_user() -> String {
        let fields: Vec<_> =
            Self::FIELDS.iter().copied().filter(|name| *name != "userId").collect();
        fields.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{
        ComplexObject, EmptyMutation, EmptySubscription, Object, Request, Schema, SimpleObject,
    };
    use bytes::Bytes;
    use direct_json::{DirectJson, DirectJsonEnabled, IdFormat, JsonWriter, WriteJson};

    use super::*;

    #[derive(Clone, SimpleObject)]
    #[graphql(complex)]
    struct Ad {
        #[graphql(flatten)]
        offer: Offer,
    }

    #[ComplexObject]
    impl Ad {
        async fn resolved(&self) -> bool {
            true
        }
    }

    impl WriteJson for Ad {
        fn write_field(
            &self,
            field: &async_graphql::parser::types::Field,
            json: &mut JsonWriter<'_>,
        ) -> Option<()> {
            self.offer.write_field(field, json)
        }
    }

    struct Query(Ad);

    #[Object]
    impl Query {
        async fn ad(&self) -> DirectJson<Ad> {
            DirectJson(self.0.clone())
        }
    }

    const ROW: &str = r#"{"id":"7","title":"Bicycle","text":"\u00e4","createdAt":"2026-11-21T18:30:00Z","userId":"5"}"#;

    fn query(fields: &str) -> String {
        format!("{{ ad {{ {} {fields} }} }}", Offer::selection())
    }

    async fn answer(request: Request) -> String {
        let offer: Offer = crate::text::from_json(&Bytes::from_static(ROW.as_bytes())).unwrap();
        let schema = Schema::new(Query(Ad { offer }), EmptyMutation, EmptySubscription);
        let response = schema.execute(request).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        let mut json = JsonWriter::default();
        json.value(&response.data);
        String::from_utf8(json.into_bytes()).unwrap()
    }

    #[tokio::test]
    async fn an_offer_passes_through_unchanged() {
        let direct = answer(Request::new(query("")).data(DirectJsonEnabled)).await;
        assert_eq!(direct, format!(r#"{{"ad":{ROW}}}"#));
        assert_eq!(answer(query("").into()).await, direct.replace("\\u00e4", "ä"));
    }

    #[tokio::test]
    async fn ids_are_numbers_with_and_without_resolvers() {
        let format = |fields| Request::new(query(fields)).data(IdFormat::Number);
        let direct = answer(format("").data(DirectJsonEnabled)).await;
        let resolved = answer(format("resolved").data(DirectJsonEnabled)).await;
        for answer in [&direct, &resolved] {
            assert!(answer.contains(r#""id":7,"#) && answer.contains(r#""userId":5"#), "{answer}");
        }
        assert!(!direct.contains("resolved") && resolved.contains(r#""resolved":true"#));
        assert!(resolved.contains('ä'), "written by the executor: {resolved}");
    }

    #[test]
    fn openapi_schema_has_rest_names() {
        let schema = serde_json::to_value(<Offer as utoipa::PartialSchema>::schema()).unwrap();
        assert_eq!(
            schema["required"],
            serde_json::json!(["id", "title", "text", "created_at", "user_id"])
        );
        assert_eq!(schema["properties"]["created_at"]["format"], "date-time");
    }
}
