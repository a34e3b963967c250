//! The fields of an offer: the one list that both services read, fetch, write and describe.

use async_graphql::{Enum, parser::types::SelectionSet, resolver_utils::EnumType};
use direct_json::{JsonWriter, WriteValue, selection_text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Id, Money, ReadBytes, Text, Timestamp, rows::table_object};

table_object! {
    offer hiding;
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
        #[graphql(complexity = "crate::limits::TEXT_COMPLEXITY")]
        #[schema(value_type = String, example = "Blue, hardly used.")]
        pub text: Text,
        /// The price, null if there is none.
        #[schema(required = true)]
        pub price: Option<Money> = |price_amount, price_currency| {
            Money::from_columns(price_amount, price_currency)
        },
        /// The state of the offer.
        #[schema(inline = false)]
        pub status: OfferStatus,
        /// The time of creation, in UTC.
        #[schema(value_type = chrono::DateTime<chrono::Utc>)]
        pub created_at: Timestamp,
        /// The time of the last update, in UTC; at first the time of creation.
        #[schema(value_type = chrono::DateTime<chrono::Utc>)]
        pub updated_at: Timestamp = |updated_at| updated_at.unwrap_or(created_at).into(),
        /// The identifier of the user who made the offer.
        #[schema(value_type = i64, required = true, example = 1)]
        #[serde(default)]
        pub user_id: Id,
    }
}

impl ReadBytes for Offer {
    fn read_bytes(&self) -> usize {
        size_of::<Self>() + self.title.bytes() + self.text.bytes()
    }
}

impl Offer {
    /// Returns the selection set that reads an offer from the other service.
    #[must_use]
    pub fn selection() -> String {
        selection_text(Self::FIELDS)
    }

    /// Returns the selection set for the offers of a user: all but the user, who is known.
    #[must_use]
    pub fn selection_of_user() -> String {
        selection_text(Self::FIELDS.iter().filter(|field| field.name != "userId"))
    }
}

/// The state of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize, ToSchema)]
#[graphql(remote = "entity::offer::Status")]
#[serde(rename_all(serialize = "lowercase", deserialize = "UPPERCASE"))]
#[schema(rename_all = "lowercase")]
pub enum OfferStatus {
    /// The offer stands.
    Open,
    /// The offer has ended: sold, or withdrawn.
    Closed,
}

impl WriteValue for OfferStatus {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        let item = Self::items().iter().find(|item| item.value == *self)?;
        json.enum_value(item.name);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{
        ComplexObject, EmptyMutation, EmptySubscription, Object, Request, Schema, SimpleObject,
    };
    use bytes::Bytes;
    use direct_json::{DirectJson, DirectJsonEnabled, Notation, WriteJson};

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

    const ROW: &str = r#"{"id":"7","title":"Bicycle","text":"\u00e4","price":{"amount":12000,"currency":"EUR"},"status":"CLOSED","createdAt":"2026-11-21T18:30:00Z","updatedAt":"2026-11-26T12:00:00.000001Z","userId":"5"}"#;

    fn query(fields: &str) -> String {
        format!("{{ ad {{ {} {fields} }} }}", Offer::selection())
    }

    async fn answer(request: Request, notation: Notation) -> String {
        let offer: Offer = crate::text::from_json(&Bytes::from_static(ROW.as_bytes())).unwrap();
        let schema = Schema::new(Query(Ad { offer }), EmptyMutation, EmptySubscription);
        let response = schema.execute(request.data(notation)).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        let mut json = JsonWriter::new(notation);
        json.value(&response.data);
        String::from_utf8(json.into_bytes()).unwrap()
    }

    #[tokio::test]
    async fn an_offer_passes_through_unchanged() {
        let direct =
            answer(Request::new(query("")).data(DirectJsonEnabled), Notation::GraphQl).await;
        assert_eq!(direct, format!(r#"{{"ad":{ROW}}}"#));
        let resolved = answer(query("").into(), Notation::GraphQl).await;
        assert_eq!(resolved, direct.replace("\\u00e4", "ä"));
    }

    #[tokio::test]
    async fn rest_has_its_notation_with_and_without_resolvers() {
        let request = |fields| Request::new(query(fields)).data(DirectJsonEnabled);
        let direct = answer(request(""), Notation::Rest).await;
        let resolved = answer(request("resolved"), Notation::Rest).await;
        for answer in [&direct, &resolved] {
            for part in [r#""id":7,"#, r#""userId":5"#, r#""status":"closed""#] {
                assert!(answer.contains(part), "{answer}");
            }
        }
        assert!(!direct.contains("resolved") && resolved.contains(r#""resolved":true"#));
        assert!(resolved.contains('ä'), "written by the executor: {resolved}");
    }

    #[test]
    fn openapi_schema_has_rest_names() {
        let schema = serde_json::to_value(<Offer as utoipa::PartialSchema>::schema()).unwrap();
        assert_eq!(
            schema["required"],
            serde_json::json!([
                "id",
                "title",
                "text",
                "price",
                "status",
                "created_at",
                "updated_at",
                "user_id"
            ])
        );
        assert_eq!(schema["properties"]["created_at"]["format"], "date-time");
    }
}
